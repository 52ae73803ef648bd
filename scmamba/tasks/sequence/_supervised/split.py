"""Which sequences are held out to make choices on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scmamba.tasks.sequence._nucleotides import reverse_complement

Rows = npt.NDArray[np.int64]


def groups(texts: Sequence[str], *, double_stranded: bool) -> Rows:
    """(n,) a number a sequence, the same for equal ones (and for the two strands of one)."""
    keys = [min(s, reverse_complement(s)) for s in texts] if double_stranded else list(texts)
    place: dict[str, int] = {}
    return np.array([place.setdefault(key, len(place)) for key in keys], dtype=np.int64)


def strata(target: npt.NDArray[np.generic]) -> Rows:
    """(n,) what a split is balanced by: classes, tenths of the numbers, else nothing.

    Parameters
    ----------
    target
        As :class:`~scmamba.stream.sequences.SequenceData` has it.
    """
    if target.dtype == object:
        return np.zeros(len(target), dtype=np.int64)
    if target.ndim == 1:
        return target.astype(np.int64)
    if np.isin(target, (0, 1)).all():
        return np.unique(target, axis=0, return_inverse=True)[1].reshape(-1)
    ranks = target[:, 0].argsort(kind="stable").argsort(kind="stable")
    return ranks * 10 // len(target)


def fold_of(group: Rows, stratum: Rows, n_folds: int, seed: int) -> Rows:
    """(n,) fold of each sequence: whole groups, strata spread evenly, by ``seed`` alone."""
    rng = np.random.default_rng(seed)
    _, first = np.unique(group, return_index=True)
    order = rng.permutation(len(first))
    order = order[np.argsort(stratum[first][order], kind="stable")]
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(order)) % n_folds
    return fold[np.unique(group, return_inverse=True)[1].reshape(-1)]
