"""Prior knowledge of genes from the argument ``gene_embeddings``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.gene_sets import GeneSets
from scmamba.models import CellModel, load

Knowledge = Any
"""``"auto"``, a DataFrame, a path of a GMT file, a cell model or its folder, a list, or None."""


def read_knowledge(given: Knowledge, model: Any = None) -> GeneEmbeddings | None:
    """Return the sources of similarity between genes, those of a cell model last.

    Raises
    ------
    ScmambaError
        If a source is of an unknown kind, or cannot be read.
    """
    sets: GeneSets | None = None
    tables: dict[str, pd.DataFrame] = {}
    for one in given if isinstance(given, list | tuple) else [given]:
        if one is None:
            continue
        if isinstance(one, str) and one == "auto":
            sets = GeneSets.human()
        elif isinstance(one, pd.DataFrame):
            tables[f"table {len(tables) + 1}"] = one.set_axis(one.index.astype(str))
        elif isinstance(one, CellModel):
            tables[f"model {len(tables) + 1}"] = _of_model(one)
        elif isinstance(one, str | os.PathLike) and _is_gmt(Path(one)):
            sets = GeneSets.read(one)
        elif isinstance(one, str | os.PathLike):
            tables[f"model {len(tables) + 1}"] = _of_model(load(one))
        else:
            raise ScmambaError(
                f"gene_embeddings is a {type(one).__name__}; give 'auto' (human gene sets), a "
                "DataFrame with one row per gene, the path of a GMT file, a cell model or its "
                "folder, a list of these, or None"
            )
    if model is not None:
        network = load(model) if isinstance(model, str | os.PathLike) else model
        tables[f"model {len(tables) + 1}"] = _of_model(network, "model")
    return GeneEmbeddings(sets, tables) if sets is not None or tables else None


def _is_gmt(path: Path) -> bool:
    return ".gmt" in path.suffixes


def _of_model(model: Any, option: str = "gene_embeddings") -> pd.DataFrame:
    """Gene embeddings of a cell model, one row per gene of its vocabulary."""
    if not isinstance(model, CellModel) or model.vocab is None:
        raise ScmambaError(
            f"{option} is a {type(model).__name__} without named genes; give a cell model that has "
            "a vocabulary"
        )
    weights = model.gene_embedding.embedding.weight.detach().float().cpu().numpy()
    genes = model.vocab.genes
    return pd.DataFrame(np.asarray(weights[: len(genes)]), index=list(genes))
