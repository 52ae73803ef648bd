"""The comparison of predicted perturbation effects as one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._files import writable_folder
from scmamba.benchmark._perturbation.options import chosen_methods, context_columns
from scmamba.benchmark._perturbation.problem import Key, read_problem
from scmamba.benchmark._perturbation.result import PerturbationBenchmark
from scmamba.benchmark._perturbation.running import read_scores, run_methods
from scmamba.benchmark._perturbation.scores import ceiling
from scmamba.benchmark._perturbation.split import Kind, held_out
from scmamba.benchmark.runs import Runs

if TYPE_CHECKING:
    from anndata import AnnData


def perturbation(
    adata: AnnData,
    pert_key: str,
    control: str | None = None,
    *,
    output: str | os.PathLike[str],
    split: Kind = "perturbation",
    cell_type_key: str | None = None,
    donor_key: str | None = None,
    effects: bool = False,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    n_folds: int | None = None,
    min_cells: int = 10,
    layer: str | None = None,
) -> PerturbationBenchmark:
    """Predict held-out perturbation effects by several methods, and score them.

    Each fold hides what it is to predict from all methods; controls are never hidden. Folds and
    runs are kept in ``output``, and a benchmark that was stopped goes on there.

    Parameters
    ----------
    adata
        Perturbed and control cells, counts or log-normalized counts; or, with ``effects``, one row
        per perturbation and context with changes, z-scores or ranks.
    pert_key
        Column of ``obs`` with the perturbation; combinations are written ``"A+B"``.
    control
        Value of ``pert_key`` for control cells; None only with ``effects``.
    output
        Folder for folds and runs.
    split
        What is held out: each ``"perturbation"`` in all contexts, with combinations that it is
        part of; each ``"combination"``; each ``"cell_type"`` or ``"donor"`` (its perturbed
        cells); or ``"pair"``, a perturbation in one context while others keep it.
    cell_type_key
        Column of ``obs`` with the context, such as cell type or cell line.
    donor_key
        Column of ``obs`` with donors, for ``split="donor"``.
    effects
        Whether rows are effects.
    methods
        Names in :data:`~scmamba.benchmark.PERTURBATION_METHODS`; None: all that apply
        but the networks, ``"scmamba_network"`` and ``"scmamba_network_mamba"``.
    seeds
        Each method is run once with each; random folds depend on it as well.
    n_folds
        Number of folds; None: each in turn if there are up to 30, else 10.
    min_cells
        Perturbations with fewer cells in a context are not scored.
    layer
        Layer that holds expression; None: it is looked for.

    Raises
    ------
    ScmambaError
        A method or split is unknown, a column or the control is missing, there is too little to
        hold out, or a run in ``output`` was made on other data.

    Examples
    --------
    >>> import tempfile
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic(120, 30, 2)
    >>> cells.obs["target"] = ["control", "A", "B"] * 40
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = scmamba.benchmark.perturbation(
    ...         cells, "target", "control", output=folder, methods=["no_change", "mean"], seeds=[0]
    ...     )
    >>> found.summary.index.tolist()
    ['mean effect', 'no change', 'split-half ceiling']
    """
    chosen = chosen_methods(methods, effects)
    contexts = context_columns(split, control, cell_type_key, donor_key, effects, seeds, n_folds)
    problem = read_problem(
        adata, pert_key, control, contexts, effects=effects, min_cells=min_cells, layer=layer
    )
    folds = {seed: held_out(problem, split, n_folds, seed) for seed in seeds}
    folder = Path(writable_folder(output))
    identity = {"data": problem.identity, "split": split, "min_cells": min_cells}
    for seed, parts in folds.items():
        kept = Runs(folder, identity)
        if (found := kept.read("folds", seed)) is None:
            kept.write({"folds": parts}, "folds", seed)
        elif found["folds"] != {name: [list(key) for key in keys] for name, keys in parts.items()}:
            raise ScmambaError(f"{kept.path('folds', seed)} has other folds; give another folder")
    rows, costs = [], []
    for seed, parts in folds.items():
        runs = Runs(folder, identity)
        run_methods(problem, split, parts, seed, chosen, runs)
        for name, method in chosen.items():
            table, cost = read_scores(problem, parts, seed, name, runs)
            rows.append(table.reset_index().assign(method=method.title, seed=seed))
            costs.append({"method": method.title, "seed": seed, **cost})
    scores = pd.concat(rows, ignore_index=True)
    first = ["method", "seed", "context", "perturbation"]
    scores = scores[first + [name for name in scores if name not in first]]
    return PerturbationBenchmark(scores, pd.DataFrame(costs), ceiling(problem, _keys(folds)))


def _keys(folds: dict[int, dict[str, list[Key]]]) -> list[Key]:
    return sorted({key for parts in folds.values() for keys in parts.values() for key in keys})
