"""Perturbation models on disk: measured effects, knowledge, network; the rest is fitted again."""

from __future__ import annotations

import os
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from scmamba.learn.artifact import Artifact
from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.gene_sets import GeneSets
from scmamba.learn.effects.model import EffectModel
from scmamba.learn.effects.names import PerturbationNames
from scmamba.learn.effects.table import EffectTable
from scmamba.learn.training import PerturbationTraining
from scmamba.tasks._perturbation.columns import Columns
from scmamba.tasks._perturbation.model import PerturbationModel
from scmamba.tasks._perturbation.reading import Screen
from scmamba.tasks._perturbation.saving_residual import read_residual, residual_content
from scmamba.tasks._perturbation.spread import Spread

ARTIFACT = Artifact("perturbation")
_OPTIONAL = ("errors", "controls")


def save_model(model: PerturbationModel, path: str | os.PathLike[str]) -> Path:
    """Write a model to a folder."""
    table, columns = model.table, model.columns
    arrays: dict[str, npt.NDArray[Any]] = {
        "effects": table.effects,
        "doses": table.doses,
        "n_cells": table.n_cells,
        "components": model.screen.components,
        "spread": np.stack(astuple(model.screen.spread)),
    }
    arrays |= {name: value for name in _OPTIONAL if (value := getattr(table, name)) is not None}
    content: dict[str, Any] = {
        "genes": table.genes.tolist(),
        "perturbations": [list(one) for one in table.perturbations],
        "contexts": list(table.contexts),
        "context_names": list(table.context_names),
        "labels": list(model.screen.names.labels),
        "left_out": list(model.screen.left_out),
        "columns": vars(columns),
        "seed": model.seed,
        "knowledge": None,
    }
    if model.method.embeddings is not None:
        content["knowledge"] = _save_knowledge(model.method.embeddings, arrays)
    content["training"] = None if model.method.training is None else vars(model.method.training)
    residual = model.fitted.residual
    content["residual"] = None if residual is None else residual_content(residual, arrays)
    return ARTIFACT.save(path, content, arrays, [], pd.DataFrame())


def load_model(path: str | os.PathLike[str]) -> PerturbationModel:
    """Read a model that :func:`save_model` wrote."""
    with ARTIFACT.reading(path) as saved:
        content, arrays = saved.content, saved.arrays
        genes, columns = pd.Index(content["genes"]), Columns(**content["columns"])
        table = EffectTable(
            arrays["effects"],
            tuple(tuple(one) for one in content["perturbations"]),
            tuple(content["contexts"]),
            genes,
            arrays["doses"],
            arrays["n_cells"],
            arrays.get("errors"),
            arrays.get("controls"),
            tuple(content["context_names"]),
        )
        names = PerturbationNames(columns.control, tuple(content["labels"]), genes)
        known = content["knowledge"]
        embeddings = None if known is None else _load_knowledge(known, arrays)
        spread = Spread(*arrays["spread"]) if "spread" in arrays else Spread.unknown()
        left_out = tuple(content.get("left_out", ()))
        screen = Screen(table, names, arrays["components"], spread, left_out)
        seed, options = int(content["seed"]), content.get("training")
        training = None if options is None else PerturbationTraining(**options)
        fitted = EffectModel(embeddings).fit(table)
        if (told := content.get("residual")) is not None:
            fitted = replace(fitted, residual=read_residual(told, arrays, embeddings))
        method = EffectModel(embeddings, training, seed)
        return PerturbationModel(screen, method, columns, seed, fitted)


def _save_knowledge(
    embeddings: GeneEmbeddings, arrays: dict[str, npt.NDArray[Any]]
) -> dict[str, Any]:
    """Content for the settings; arrays are added to ``arrays``. Shipped gene sets are named."""
    sets = embeddings.gene_sets
    told: str | list[str] | None = None
    if sets is not None and sets is GeneSets.human():
        told = "human"
    elif sets is not None:
        told = list(sets.rows)
        for part in ("data", "indices", "indptr", "shape"):
            arrays[f"gene_sets.{part}"] = np.asarray(getattr(sets.features, part))
    tables = {}
    for i, (name, table) in enumerate(embeddings.tables.items()):
        tables[name] = [str(gene) for gene in table.index]
        arrays[f"table.{i}"] = table.to_numpy(np.float32)
    return {"gene_sets": told, "tables": tables}


def _load_knowledge(content: dict[str, Any], arrays: Any) -> GeneEmbeddings:
    told, sets = content["gene_sets"], None
    if told == "human":
        sets = GeneSets.human()
    elif told is not None:
        parts = tuple(arrays[f"gene_sets.{part}"] for part in ("data", "indices", "indptr"))
        shape = tuple(arrays["gene_sets.shape"].tolist())
        rows = {gene: i for i, gene in enumerate(told)}
        sets = GeneSets(rows, sparse.csr_matrix(parts, shape=shape))
    tables = {
        name: pd.DataFrame(arrays[f"table.{i}"], index=genes)
        for i, (name, genes) in enumerate(content["tables"].items())
    }
    return GeneEmbeddings(sets, tables)
