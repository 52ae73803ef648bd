"""Reverse search among measured perturbations and those that a method predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from scmamba.benchmark._perturbation.problem import Key, PerturbationProblem
from scmamba.benchmark._perturbation.scores import true_changes
from scmamba.learn.effects.table import Floats
from scmamba.tasks._perturbation.reverse_scores import compare

_FEWEST_CANDIDATES = 3


def reverse_ranks(
    problem: PerturbationProblem, parts: Mapping[str, Sequence[Key]], changes: Floats
) -> npt.NDArray[np.float64]:
    """Rank of each perturbation when its measured change is searched, as ``reverse`` does.

    Candidates are all perturbations of the context: those of the same fold with their predicted
    change, the others with the measured one. Genes that a candidate perturbs are left out of its
    own comparison.

    Parameters
    ----------
    parts
        Pairs of context and perturbation that each fold predicts.
    changes
        (n, n_genes) predicted changes, those of one fold after the other.

    Returns
    -------
    (n,) ranks from 1, the best, ties at their mean; NaN with fewer than three candidates.
    """
    place = {str(gene): i for i, gene in enumerate(problem.adata.var_names)}
    everywhere = np.ones(len(place), bool)
    real = true_changes(problem, problem.keys)
    row = {key: i for i, key in enumerate(problem.keys)}
    names = [problem.names.parse(label) for _, label in problem.keys]
    contexts = np.array([context for context, _ in problem.keys], dtype=object)
    ranks = np.full(len(changes), np.nan)
    start = 0
    for keys in parts.values():
        predicted = np.array([row[key] for key in keys], np.int64)
        effects = real.copy()
        effects[predicted] = changes[start : start + len(keys)]
        for context in dict.fromkeys(contexts[predicted]):
            candidates = np.flatnonzero(contexts == context)
            if len(candidates) < _FEWEST_CANDIDATES:
                continue
            searched = np.flatnonzero(contexts[predicted] == context)
            true = predicted[searched]
            perturbations = [names[i] for i in candidates]
            score, _ = compare(real[true], everywhere, perturbations, effects[candidates], place)
            score = score.round(12)  # equal predictions tie whatever the rounding
            own = score[np.arange(len(true)), np.searchsorted(candidates, true)][:, None]
            better, tied = (score > own).sum(1), (score == own).sum(1)
            ranks[start + searched] = 0.5 + better + tied / 2
        start += len(keys)
    return ranks
