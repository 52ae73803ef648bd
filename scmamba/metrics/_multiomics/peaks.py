"""Scores of predicted open peaks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from scmamba._errors import ScmambaError


def peaks(opened: Any, scores: Any) -> pd.DataFrame:
    """AUROC and average precision of each peak over cells.

    Parameters
    ----------
    opened
        (n_cells, n_peaks) above 0 where a peak is open; dense or sparse.
    scores
        (n_cells, n_peaks) probabilities or any score that is higher for open peaks.

    Returns
    -------
    One row per peak: ``auroc`` and ``average_precision`` in [0, 1], NaN for peaks that are open in
    no cell or in all, and ``n_open``. An AUROC of .5 and a precision of ``n_open / n_cells`` are
    chance.

    Raises
    ------
    ScmambaError
        If shapes differ or scores are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.metrics import multiomics
    >>> opened = np.array([[1, 0], [0, 0], [1, 1]])
    >>> multiomics.peaks(opened, [[0.9, 0.2], [0.1, 0.6], [0.4, 0.5]])["auroc"].tolist()
    [1.0, 0.5]
    """
    truth = opened.toarray() if sparse.issparse(opened) else np.asarray(opened)
    found = np.asarray(scores.toarray() if sparse.issparse(scores) else scores, dtype=np.float64)
    if truth.shape != found.shape or truth.ndim != 2:
        raise ScmambaError(
            f"opened has shape {truth.shape} and scores {found.shape}; give cells by peaks of the "
            "same shape"
        )
    _check_finite(found)
    rows = [
        (auroc(is_open, one), average_precision(is_open, one))
        for is_open, one in zip((truth > 0).T, found.T, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["auroc", "average_precision"], dtype=float)
    return table.assign(n_open=(truth > 0).sum(0))


def hidden_peaks(opened: npt.ArrayLike, closed: npt.ArrayLike) -> float:
    """AUROC of hidden open peaks against closed ones of the same frequency.

    Parameters
    ----------
    opened, closed
        (n,) scores of pairs of a cell and a peak: those that were hidden, and closed ones that were
        drawn by the frequency of the peaks.

    Returns
    -------
    Fraction of pairs of an open and a closed one in which the open one has the higher score, ties
    half, in [0, 1]; .5 is chance.

    Raises
    ------
    ScmambaError
        If one of both is empty or a score is not finite.

    Examples
    --------
    >>> from scmamba.metrics import multiomics
    >>> multiomics.hidden_peaks([0.9, 0.4], [0.5, 0.1])
    0.75
    """
    parts = [np.asarray(one, dtype=np.float64).ravel() for one in (opened, closed)]
    if not len(parts[0]) or not len(parts[1]):
        raise ScmambaError("there are no open or no closed peaks; give one score at least of both")
    both = np.concatenate(parts)
    _check_finite(both)
    return auroc(np.arange(len(both)) < len(parts[0]), both)


def auroc(positive: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float:
    """Area under the ROC curve by ranks; NaN where there is one class."""
    from scipy.stats import rankdata

    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if not n_positive or not n_negative:
        return float("nan")
    ranks = rankdata(scores)
    above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def average_precision(positive: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]) -> float:
    """Sum of precision times the rise in recall over thresholds; NaN where there is one class."""
    n_positive = int(positive.sum())
    if not n_positive or n_positive == len(positive):
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision = hits[last] / (last + 1)
    return float((np.diff(hits[last], prepend=0) * precision).sum() / n_positive)


def _check_finite(scores: npt.NDArray[np.float64]) -> None:
    if wrong := int((~np.isfinite(scores)).sum()):
        raise ScmambaError(f"{wrong} of {scores.size:,} scores are not finite; allowed: numbers")
