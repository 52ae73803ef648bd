"""Background and signal of surface proteins, told apart by a mixture of two normals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_STEPS = 100
_LEAST = 0.1  # smallest standard deviation of a component, in log1p counts
_FEW = 5  # cells below which nothing is told apart

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mixtures:
    """Two components of log1p counts for each protein.

    Attributes
    ----------
    background, signal
        (..., n_proteins) means.
    share
        (..., n_proteins) fraction of cells with signal.
    """

    background: Floats
    signal: Floats
    share: Floats

    @classmethod
    def stacked(cls, parts: Sequence[Mixtures], covered: npt.NDArray[np.bool_]) -> Mixtures:
        """Stack mixtures of batches; a protein a batch lacks has the mean of the others there."""
        made = []
        for name in ("background", "signal", "share"):
            values = np.stack([getattr(part, name) for part in parts])
            known = covered & np.isfinite(values)
            mean = np.where(known, values, 0).sum(0) / np.maximum(known.sum(0), 1)
            made.append(np.where(known, values, mean))
        return cls(*made)


def fit_mixtures(logs: Floats) -> Mixtures:
    """Fit two normals to each column by expectation maximization.

    Parameters
    ----------
    logs
        (n_cells, n_proteins) log1p counts.

    Returns
    -------
    Mixtures of shape (n_proteins,); NaN without cells. Where few cells or none differ, both means
    are that of all.
    """
    n, p = logs.shape
    if n < _FEW:
        mean = logs.mean(0) if n else np.full(p, np.nan)
        return Mixtures(mean, mean, np.full(p, 0.5))
    low, high = np.quantile(logs, [0.25, 0.95], axis=0)
    means = np.stack([low, np.maximum(high, low + _LEAST)])
    spread = np.full((2, p), 1.0) * np.maximum(logs.std(0) / 2, _LEAST)
    share = np.full(p, 0.5)
    for _ in range(_STEPS):
        odds = _log_normal(logs, means[1], spread[1]) - _log_normal(logs, means[0], spread[0])
        odds += np.log(share) - np.log1p(-share)
        signal = 1 / (1 + np.exp(-odds.clip(-50, 50)))
        weights = np.stack([1 - signal, signal])
        total = weights.sum(1) + 1e-9
        means = (weights * logs).sum(1) / total
        around = (logs[None] - means[:, None]) ** 2
        spread = np.sqrt((weights * around).sum(1) / total).clip(_LEAST)
        share = (total[1] / n).clip(0.01, 0.99)
    order = np.argsort(means, axis=0)
    means = np.take_along_axis(means, order, 0)
    return Mixtures(means[0], means[1], np.where(order[1] == 1, share, 1 - share))


def _log_normal(x: Floats, mean: Floats, spread: Floats) -> Floats:
    return -0.5 * ((x - mean) / spread) ** 2 - np.log(spread)
