"""Which examples are held out to make choices on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba.learn.calibration import Kind

Rows = npt.NDArray[np.int64]
Split = tuple[Rows, Rows]
"""Positions to learn from, and positions to validate on."""

_LARGE = 30_000
"""Labeled cells from which one held-out part is enough."""


def cross_validation_folds(
    codes: Rows, batches: npt.NDArray[np.object_] | None, *, seed: int, n_folds: int = 3
) -> list[tuple[Rows, Rows]]:
    """Split labeled cells into a part to learn from and a part to validate on, several times.

    Whole batches are held out where there are at least two and the others leave something to learn
    from, as a new batch is what an annotator will meet; else cells, stratified by class. Cells of
    a class that the other part lacks are left out of a validation part: nothing could be learned
    of them.

    Parameters
    ----------
    codes
        (n,) class of each labeled cell, all of them at least 0.
    batches
        (n,) batch of each, or None.
    seed
        Random seed of the shuffle.
    n_folds
        Parts; each validates once. Of more than 30,000 cells only the first part does.

    Returns
    -------
    Pairs of positions in ``codes``; empty where no split leaves two classes on either side.
    """
    kept: list[tuple[Rows, Rows]] = []
    if batches is not None:
        kept = _useful(codes, _batchwise(codes, batches.astype(str), n_folds, seed))
    if not kept:
        kept = _useful(codes, _stratified(codes, min(n_folds, len(codes)), seed))
    return kept[:1] if len(codes) > _LARGE else kept


def several_batches(batches: npt.NDArray[np.object_] | None) -> bool:
    """Whether there are at least two batches, so that whole ones can be held out and compared.

    Examples
    --------
    >>> import numpy as np
    >>> several_batches(np.array(["a", "b", "a"], dtype=object)), several_batches(None)
    (True, False)
    """
    return batches is not None and len(set(batches.astype(str))) > 1


def _useful(codes: Rows, parts: list[tuple[Rows, Rows]]) -> list[tuple[Rows, Rows]]:
    """Parts that leave two classes to learn from, validated on classes that were learned."""
    kept = [(train, val[np.isin(codes[val], codes[train])]) for train, val in parts]
    return [(train, val) for train, val in kept if len(np.unique(codes[train])) >= 2 and len(val)]


def _batchwise(
    codes: Rows, batches: npt.NDArray[np.str_], n_folds: int, seed: int
) -> list[tuple[Rows, Rows]]:
    """Folds of whole batches, with classes as even as they allow."""
    from sklearn.model_selection import StratifiedGroupKFold

    n_parts = min(n_folds, len(np.unique(batches)))
    if n_parts < 2:
        return []
    # Classes too small to be spread are one to the splitter, which else warns or refuses
    rare = np.bincount(codes)[codes] < n_parts
    merged = np.where(rare, codes.max() + 1, codes)
    if rare.sum() < n_parts:
        merged = np.where(rare, np.bincount(codes).argmax(), codes)
    if np.bincount(merged).max() < n_parts:
        return []
    splitter = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed)
    return list(splitter.split(merged, merged, batches))


def _stratified(codes: Rows, n_folds: int, seed: int) -> list[tuple[Rows, Rows]]:
    """Stratified folds; classes smaller than the number of folds are spread as they come."""
    from sklearn.model_selection import StratifiedKFold

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


def strata(kind: Kind, target: npt.NDArray[np.generic]) -> Rows:
    """(n,) what a split is balanced by: classes, combinations of labels, or tenths of numbers.

    Parameters
    ----------
    kind
        Kind of ``target``: classes, labels or numbers.
    target
        (n,) classes, or (n, n_outputs); of objects (one array for each example) nothing is
        balanced.
    """
    if target.dtype == object:
        return np.zeros(len(target), dtype=np.int64)
    if kind == "classification":
        return target.astype(np.int64)
    if kind == "multilabel":
        return np.unique(target, axis=0, return_inverse=True)[1].reshape(-1)
    ranks = target[:, 0].argsort(kind="stable").argsort(kind="stable")
    return ranks * 10 // len(target)


def fold_of(group: Rows, stratum: Rows, n_folds: int, seed: int) -> Rows:
    """(n,) fold of each example: whole groups, strata spread evenly, by ``seed`` alone."""
    rng = np.random.default_rng(seed)
    _, first = np.unique(group, return_index=True)
    order = rng.permutation(len(first))
    order = order[np.argsort(stratum[first][order], kind="stable")]
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(order)) % n_folds
    return fold[np.unique(group, return_inverse=True)[1].reshape(-1)]
