"""Reverse search among measured perturbations and those that a method predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from scmamba.benchmark._perturbation.problem import Key, PerturbationProblem
from scmamba.benchmark._perturbation.scores import true_changes
from scmamba.learn.effects.table import Floats
from scmamba.tasks._perturbation.reverse import Target, compare

MOST_CANDIDATES = 200
"""With more perturbations in a context, ranks are not computed: each is compared with each."""


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
    (n,) ranks from 1, the best, ties at their mean; NaN with fewer than three candidates or more
    than 200.
    """
    place = {str(gene): i for i, gene in enumerate(problem.adata.var_names)}
    everywhere = np.ones(len(place), bool)
    real = true_changes(problem, problem.keys)
    row = {key: i for i, key in enumerate(problem.keys)}
    ranks, start = [], 0
    for keys in parts.values():
        effects = real.copy()
        effects[[row[key] for key in keys]] = changes[start : start + len(keys)]
        start += len(keys)
        for key in keys:
            rows = [i for other, i in row.items() if other[0] == key[0]]
            if not 3 <= len(rows) <= MOST_CANDIDATES:
                ranks.append(np.nan)
                continue
            names = [problem.names.parse(problem.keys[i][1]) for i in rows]
            target = Target(real[row[key]], everywhere)
            score, _ = compare(target, names, effects[rows], place)
            own = score[rows.index(row[key])]
            ranks.append(0.5 + (score > own).sum() + (score == own).sum() / 2)
    return np.array(ranks)
