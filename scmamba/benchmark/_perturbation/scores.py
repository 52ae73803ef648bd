"""Scores of predicted effects, one row per context and perturbation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scmamba.benchmark._perturbation.problem import CONTEXT, CONTROL, PERTURBATION, Key
from scmamba.benchmark._perturbation.problem import PerturbationProblem as Problem
from scmamba.benchmark._perturbation.split import PerturbationSplit
from scmamba.learn.effects.table import Floats

N_TOP = 100
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
        return _cell_scores(problem, keys, changes)[0]
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
    _, found = _cell_scores(problem, keys, true_changes(problem, keys))
    return found


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


def _cell_scores(
    problem: Problem, keys: Sequence[Key], changes: Floats
) -> tuple[pd.DataFrame, pd.Series]:
    """Scores of profiles by :func:`scmamba.metrics.perturbation`, and its ceiling."""
    from scmamba.metrics import perturbation
    from scmamba.metrics.perturbation import CEILING as HALVES

    contexts = [context for context, _ in keys]
    controls = problem.table.control_of(contexts)
    assert controls is not None
    index = pd.MultiIndex.from_tuples(list(keys), names=[CONTEXT, PERTURBATION])
    profiles = pd.DataFrame(controls + changes, index, problem.adata.var_names)
    wanted = {*keys, *((context, CONTROL) for context in contexts)}
    real = problem.adata[[key in wanted for key in problem.row_keys]].copy()
    only = contexts[0] if len({*contexts}) == 1 else None
    if only == "":
        profiles.index = pd.Index([label for _, label in keys])
    found = perturbation(
        real,
        profiles,
        PERTURBATION,
        CONTROL,
        context_key=None if only == "" else CONTEXT,
        targets={label: list(problem.names.parse(label)) for _, label in keys},
        n_top=N_TOP,
    )
    table = found.table.loc[list(keys)].rename_axis(index=[CONTEXT, PERTURBATION])
    # no change correlates with nothing; rounding of profiles would make a number of it
    correlations = [name for name in table if name.startswith("pearson_delta")]
    table.loc[~changes.any(1), correlations] = np.nan
    return table, found.summary.get(HALVES, pd.Series(dtype=float))


def _some(rows: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else np.sort(random.choice(rows, most, replace=False))
