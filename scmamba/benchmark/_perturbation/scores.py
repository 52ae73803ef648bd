"""Scores of predicted effects, one row per context and perturbation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scmamba.benchmark._perturbation.problem import CONTEXT, CONTROL, PERTURBATION, Key
from scmamba.benchmark._perturbation.problem import PerturbationProblem as Problem
from scmamba.benchmark._perturbation.split import PerturbationSplit
from scmamba.learn.effects.table import Floats

if TYPE_CHECKING:
    from anndata import AnnData

N_TOP = 100
_MAX_CELLS = 1000
CEILING = "split-half ceiling"


def effect_scores(problem: Problem, keys: Sequence[Key], changes: Floats) -> pd.DataFrame:
    """Score predicted changes by context and perturbation.

    Parameters
    ----------
    changes
        (n, n_genes) predicted changes of the pairs ``keys``.

    Returns
    -------
    Names and formulas are those of :func:`scmamba.metrics.perturbation`; ``pearson_delta_top`` and
    ``mse_top`` are over the 100 genes that change most. Given effects have no controls, so that
    the change is the effect itself.
    """
    from scmamba.metrics._perturbation.profiles import (
        centroid_scores,
        change_scores,
        discrimination,
    )

    if not problem.effects:
        return _cell_scores(problem, keys, changes)
    real = true_changes(problem, keys).astype(np.float64)
    predicted = changes.astype(np.float64)
    scores = change_scores(real, predicted, np.zeros_like(real), N_TOP)
    contexts = np.array([context for context, _ in keys], dtype=object)
    alone = not pd.Series(contexts).duplicated().any()
    genes = problem.adata.var_names
    for context in [None] if alone else dict.fromkeys(contexts):
        rows = np.arange(len(keys)) if context is None else np.flatnonzero(contexts == context)
        targets = [genes.get_indexer(pd.Index(problem.names.parse(keys[int(i)][1]))) for i in rows]
        found = discrimination(real[rows], predicted[rows], [t[t >= 0] for t in targets])
        found |= centroid_scores(real[rows], predicted[rows])
        for name, values in found.items():
            scores.setdefault(name, np.full(len(keys), np.nan))[rows] = values
    index = pd.MultiIndex.from_tuples(list(keys), names=[CONTEXT, PERTURBATION])
    return pd.DataFrame(scores, index)


def ceiling(problem: Problem, keys: Sequence[Key]) -> pd.Series | None:
    """Mean scores of one half of the measured cells as the prediction of the other."""
    if problem.effects:
        return None
    from scmamba.metrics import perturbation
    from scmamba.metrics.perturbation import CEILING as HALVES

    changes = true_changes(problem, keys)
    real, profiles, context_key, targets = _measured(problem, keys, changes)
    found = perturbation(
        real,
        profiles,
        PERTURBATION,
        CONTROL,
        context_key=context_key,
        targets=targets,
        n_top=N_TOP,
        max_cells=_MAX_CELLS,
    )
    return found.summary.get(HALVES, pd.Series(dtype=float))


def distances(
    problem: Problem, split: PerturbationSplit, cells: Sequence[Floats], most: int, seed: int
) -> dict[str, list[float]]:
    """Energy distance and MMD between predicted and measured cells of each request.

    Parameters
    ----------
    cells
        Of each request (n_cells, n_genes) predicted cells.
    most
        From larger groups that many cells are drawn.
    """
    from scmamba.metrics._perturbation.distances import energy_distance, mmd

    scores: dict[str, list[float]] = {"energy_distance": [], "mmd": []}
    keys = pd.Series(problem.row_keys)
    for key, made in zip(split.requests, cells, strict=True):
        rows = np.flatnonzero([one == key for one in keys])
        random = np.random.default_rng(seed)
        real = problem.adata.X[_some(rows, most, random)]
        guess = made[_some(np.arange(len(made)), most, random)]
        dense = real.toarray() if hasattr(real, "toarray") else np.asarray(real)
        scores["energy_distance"].append(energy_distance(dense, guess))
        scores["mmd"].append(mmd(dense, guess))
    return scores


def true_changes(problem: Problem, keys: Sequence[Key]) -> Floats:
    """(n, n_genes) measured changes of pairs of context and perturbation."""
    table = problem.table
    place = {
        (context, perturbation): i
        for i, (context, perturbation) in enumerate(
            zip(table.contexts, table.perturbations, strict=True)
        )
    }
    rows = [place[context, problem.names.parse(label)] for context, label in keys]
    return np.asarray(table.effects[rows], np.float64)


def _cell_scores(problem: Problem, keys: Sequence[Key], changes: Floats) -> pd.DataFrame:
    """Scores of profiles, as :func:`scmamba.metrics.perturbation` has them, without its ceiling."""
    from scmamba.metrics._perturbation.cells import measured_cells, predicted_profiles
    from scmamba.metrics._perturbation.truth import Truth

    real, profiles, context_key, targets = _measured(problem, keys, changes)
    cells = measured_cells(real, PERTURBATION, CONTROL, context_key)
    named = [key for key in cells.rows if key in set(keys)]
    truth = Truth(cells, CONTROL, named, targets, N_TOP, _MAX_CELLS, 0)
    table, _ = truth.score(predicted_profiles(profiles, cells.genes, named))
    table = table.loc[list(keys)].rename_axis(index=[CONTEXT, PERTURBATION])
    # no change correlates with nothing; rounding of profiles would make a number of it
    correlations = [name for name in table if name.startswith("pearson_delta")]
    table.loc[~changes.any(1), correlations] = np.nan
    return table


def _measured(
    problem: Problem, keys: Sequence[Key], changes: Floats
) -> tuple[AnnData, pd.DataFrame, str | None, dict[str, list[str]]]:
    """Measured cells, predicted profiles, the column of contexts and the targets."""
    contexts = [context for context, _ in keys]
    controls = problem.table.control_of(contexts)
    assert controls is not None
    index = pd.MultiIndex.from_tuples(list(keys), names=[CONTEXT, PERTURBATION])
    profiles = pd.DataFrame(controls + changes, index, problem.adata.var_names)
    wanted = {*keys, *((context, CONTROL) for context in contexts)}
    real = problem.adata[[key in wanted for key in problem.row_keys]].copy()
    alone = {*contexts} == {""}
    if alone:
        profiles.index = pd.Index([label for _, label in keys])
    targets = {label: list(problem.names.parse(label)) for _, label in keys}
    return real, profiles, None if alone else CONTEXT, targets


def _some(rows: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(random.choice(rows, most, replace=False))
