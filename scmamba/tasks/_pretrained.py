"""Pretrained models of cells, and their genes in a data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.models import CellModel, load
from scmamba.models.loading import is_sequence_model
from scmamba.pp.expression import Expression
from scmamba.pp.genes import find_genes
from scmamba.tokens.cells.genes import GeneMatch, resolve

NO_VOCABULARY = "the model has no vocabulary; load it from a folder with vocab.json"


def pretrained(model: CellModel | str | os.PathLike[str], **changes: Any) -> CellModel:
    """Return the model itself, or the one that a folder or registered name stands for.

    Raises
    ------
    ScmambaError
        It is none of these, or does not load.
    """
    if isinstance(model, CellModel):
        return model
    if not isinstance(model, (str, os.PathLike)):
        raise ScmambaError(
            f"model={_shown(model)} is a {type(model).__name__}; allowed: a CellModel, the folder "
            "of one, or a registered name"
        )
    loaded = None if is_sequence_model(model) else load(model, **changes)
    if not isinstance(loaded, CellModel):
        raise ScmambaError(
            f"model={str(model)!r} is a model of DNA or mRNA; for cells give a model of cells, for "
            "sequences call scmamba.tasks.sequence"
        )
    return loaded


def model_genes(model: CellModel, found: Expression) -> GeneMatch:
    """Find a data set's genes in a model's vocabulary, at least half of them, and log the match."""
    if model.vocab is None:
        raise ScmambaError(NO_VOCABULARY)
    match = find_genes(found, model.vocab.tokens)
    logger.info(match.report())
    return match


def starts_networks(model: CellModel) -> bool:
    """Whether compact networks can start from its gene vectors: a bag of log-normalized values."""
    return model.config.is_bag and model.config.encoder.value_type == "lognorm"


def known_vectors(
    model: CellModel, names: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Find genes in a model, at least half of them, and log how many.

    Returns
    -------
    Positions (n_known,) of those that the model knows, and their vectors (n_known, d_model).

    Raises
    ------
    ScmambaError
        The model has no vocabulary, or fewer than half of the genes are in it.
    """
    if model.vocab is None:
        raise ScmambaError(NO_VOCABULARY)
    index = resolve(list(names), model.vocab.tokens).index
    known = np.flatnonzero(index >= 0)
    if 2 * len(known) < len(names):
        raise ScmambaError(
            f"the model knows {len(known):,} of the {len(names):,} genes to model, for example "
            f"not {names[int(np.argmin(index))]!r}; at least half are needed: give symbols or "
            "Ensembl ids"
        )
    logger.info("%d of %d genes start at vectors of the model", len(known), len(names))
    with torch.no_grad():
        ids = torch.from_numpy(index[known])
        weight = model.gene_embedding.embedding.weight
        return known, weight[ids.to(weight.device)].float().cpu().numpy()


def _shown(model: object) -> str:
    text = repr(model)
    return text if len(text) <= 80 else f"{text[:80]}..."
