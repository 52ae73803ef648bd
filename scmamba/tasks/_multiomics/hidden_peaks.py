"""Open peaks hidden from held-out cells: what the weights of a peak model are fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.tasks._multiomics.blocks import Block
from scmamba.tasks._multiomics.peaks import PeakModel

HIDDEN = 0.2
"""Fraction of the open peaks of a cell that are hidden."""
_BLOCK = 128
_LEAST_EACH = 5
_MOST_PAIRS = 200_000

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Decode = Callable[[Block], npt.NDArray[np.float32]]
"""Log odds (n_cells, n_peaks) by the decoder, of cells in which some peaks are hidden."""


@dataclass(frozen=True)
class Pairs:
    """Hidden open peaks, each beside a closed one of the same cell, drawn by frequency.

    Attributes
    ----------
    rows
        (n,) cells.
    opened, closed
        (n,) peaks.
    """

    rows: Ints
    opened: Ints
    closed: Ints


def hide(
    X: sparse.csr_matrix, frequency: Floats, rng: np.random.Generator
) -> tuple[sparse.csr_matrix, Pairs]:
    """Hide a fifth of the open peaks of each cell.

    Parameters
    ----------
    X
        (n_cells, n_peaks) 1 where open.
    frequency
        (n_peaks,) by which closed peaks are drawn.
    rng
        Source of randomness.
    """
    hidden = rng.random(X.nnz) < HIDDEN
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    counted = np.concatenate([[0], np.cumsum(~hidden)])
    parts = (X.data[~hidden], X.indices[~hidden], counted[X.indptr])
    visible = sparse.csr_matrix(parts, shape=X.shape)
    row, opened = rows[hidden], X.indices[hidden].astype(np.int64)
    cumulated = np.cumsum(frequency)
    keys = np.sort(rows * np.int64(X.shape[1]) + X.indices)
    closed = np.full(len(row), -1, np.int64)
    wanted = np.arange(len(row))
    for _ in range(100):
        drawn = np.searchsorted(cumulated, rng.random(len(wanted)) * cumulated[-1])
        drawn = drawn.clip(0, X.shape[1] - 1)
        key = row[wanted] * np.int64(X.shape[1]) + drawn
        place = np.searchsorted(keys, key).clip(0, max(len(keys) - 1, 0))
        free = keys[place] != key
        closed[wanted[free]] = drawn[free]
        wanted = wanted[~free]
        if not len(wanted):
            break
    kept = closed >= 0
    return visible, Pairs(row[kept], opened[kept], closed[kept])


def fit_weights(model: PeakModel, block: Block, decode: Decode, seed: int) -> PeakModel:
    """Fit the weights by logistic regression on hidden peaks of held-out cells.

    Parameters
    ----------
    model
        Fitted on other cells.
    block
        Measured cells that were held out.
    decode
        The decoder of a network that has not seen them.
    seed
        Seed of what is hidden.
    """
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(seed)
    visible, pairs = hide(block.X, model.frequency, rng)
    if len(pairs.rows) < len(model.coef) * _LEAST_EACH:
        return model
    decoded = decode(replace(block, X=visible))
    x_open, x_closed = _at(model, visible, decoded, pairs)
    both = np.concatenate([x_open, x_closed])
    center, scale = both.mean(0), both.std(0) + 1e-6
    truth = np.repeat([1, 0], len(x_open))
    used = np.arange(len(both))
    if len(used) > _MOST_PAIRS:
        used = np.sort(rng.choice(len(both), _MOST_PAIRS, replace=False))
    fitted = LogisticRegression(C=1.0, max_iter=500).fit(
        ((both - center) / scale)[used], truth[used]
    )
    made = replace(model, coef=fitted.coef_[0], center=center, scale=scale)
    scores = ((both - center) / scale) @ made.coef
    n = len(x_open)
    found = _reliability(pairs, scores[:n], scores[n:], len(model.frequency))
    return replace(made, reliability=found)


def _at(
    model: PeakModel,
    visible: sparse.csr_matrix,
    decoded: npt.NDArray[np.float32],
    pairs: Pairs,
) -> tuple[Floats, Floats]:
    """(n, n_features) features of the open and of the closed peak of each pair."""
    opened = np.zeros((len(pairs.rows), len(model.coef)))
    closed = np.zeros_like(opened)
    for start in range(0, visible.shape[0], _BLOCK):
        stop = min(start + _BLOCK, visible.shape[0])
        mine = np.flatnonzero((pairs.rows >= start) & (pairs.rows < stop))
        row = pairs.rows[mine] - start
        for i, one in enumerate(model.features(visible[start:stop], decoded[start:stop])):
            opened[mine, i] = one[row, pairs.opened[mine]]
            closed[mine, i] = one[row, pairs.closed[mine]]
    return opened, closed


def _reliability(pairs: Pairs, opened: Floats, closed: Floats, n_peaks: int) -> Floats:
    """Area under the ROC curve of each peak: hidden in some cells, closed in others."""
    from scipy.stats import rankdata

    peak = np.concatenate([pairs.opened, pairs.closed])
    score = np.concatenate([opened, closed])
    truth = np.repeat([True, False], len(opened))
    found = np.full(n_peaks, np.nan)
    order = np.argsort(peak, kind="stable")
    peak, score, truth = peak[order], score[order], truth[order]
    for part in np.split(np.arange(len(peak)), np.flatnonzero(np.diff(peak)) + 1):
        n_open = int(truth[part].sum())
        n_closed = len(part) - n_open
        if n_open and n_closed:
            rank = rankdata(score[part])
            area = rank[truth[part]].sum() - n_open * (n_open + 1) / 2
            found[peak[part[0]]] = area / (n_open * n_closed)
    return found
