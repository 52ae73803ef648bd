"""Splits of the labelled cells on which every choice is made."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

Rows = npt.NDArray[np.int64]

_LARGE = 30_000
"""Labelled cells from which one held-out part is enough."""


def folds(
    codes: Rows, batches: npt.NDArray[np.object_] | None, *, seed: int, n_folds: int = 3
) -> list[tuple[Rows, Rows]]:
    """Split labelled cells into a part to learn from and a part to validate on, several times.

    Whole batches are held out where there are at least two, as a new batch is what an annotator
    will meet; else cells, stratified by class. Cells of a class that the other part lacks are
    left out of a validation part: nothing could be learned of them.

    Parameters
    ----------
    codes
        (n,) class of each labelled cell, all of them at least 0.
    batches
        (n,) batch of each, or None.
    seed
        Of the shuffle.
    n_folds
        Parts; each validates once. Of more than 30,000 cells only the first part does.

    Returns
    -------
    Pairs of positions in ``codes``; empty where no split leaves two classes on either side.
    """
    n_batches = 0 if batches is None else len(np.unique(batches.astype(str)))
    nothing = np.zeros(len(codes))
    if n_batches >= 2:
        splitter = StratifiedGroupKFold(min(n_folds, n_batches), shuffle=True, random_state=seed)
        parts = list(splitter.split(nothing, codes, batches.astype(str)))  # type: ignore[union-attr]
    else:
        parts = _stratified(codes, min(n_folds, len(codes)), seed)
    kept = []
    for train, val in parts:
        val = val[np.isin(codes[val], codes[train])]
        if len(np.unique(codes[train])) >= 2 and len(val):
            kept.append((train, val))
    return kept[:1] if len(codes) > _LARGE else kept


def _stratified(codes: Rows, n_folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Stratified folds; classes smaller than the number of folds are spread as they come."""
    if n_folds < 2:
        return []
    rare = np.bincount(codes)[codes] < n_folds
    merged = np.where(rare, codes.max() + 1, codes)
    splitter = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
    if rare.sum() < n_folds:  # too few even together: they stay in training
        return (
            [
                (np.sort(np.concatenate([np.flatnonzero(~rare)[a], np.flatnonzero(rare)])), b)
                for a, held in splitter.split(merged[~rare], merged[~rare])
                for b in [np.flatnonzero(~rare)[held]]
            ]
            if (~rare).any()
            else []
        )
    return list(splitter.split(merged, merged))
