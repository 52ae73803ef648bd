"""Ridge regression whose penalty is chosen on held-out rows, and which may learn nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PENALTIES = (*(10.0**k for k in range(-2, 7)), math.inf)
"""Tried on standardised inputs; the last one predicts the mean."""


@dataclass(frozen=True)
class Ridge:
    """A linear map with intercept.

    Attributes
    ----------
    weight
        (d_in, d_out), of inputs as they are given.
    intercept
        (d_out,).
    penalty
        The one chosen, on standardised inputs; infinite: the mean is predicted.
    r2
        Share of the variance of held-out rows that was explained with it, at most 1; 0 where the
        mean is as good. The parts that chose the penalty measured it.
    """

    weight: Floats
    intercept: Floats
    penalty: float
    r2: float

    def predict(self, x: Floats) -> Floats:
        """(n, d_out) for ``x`` (n, d_in)."""
        return x @ self.weight + self.intercept


def fit_ridge(x: Floats, y: Floats, *, n_folds: int = 5, seed: int = 0) -> Ridge:
    """Fit ``y`` (n, d_out) on ``x`` (n, d_in).

    Parameters
    ----------
    x, y
        One row an example.
    n_folds
        Parts of the rows that are held out in turn to choose the penalty, 2 to n.
    seed
        Of the parts.
    """
    part = np.random.default_rng(seed).permutation(len(x)) % n_folds
    left = np.zeros(len(PENALTIES))
    total = 0.0
    for k in range(n_folds):
        out = part == k
        solved = _Solved(x[~out], y[~out])
        total += float(np.square(y[out] - y[~out].mean(0)).sum())
        for i, penalty in enumerate(PENALTIES):
            weight, intercept = solved.at(penalty)
            left[i] += np.square(y[out] - x[out] @ weight - intercept).sum()
    best = int(np.flatnonzero(left == left.min())[-1])  # of equals the strongest
    weight, intercept = _Solved(x, y).at(PENALTIES[best])
    r2 = 1 - left[best] / total if total > 0 else 0.0
    return Ridge(weight, intercept, PENALTIES[best], float(r2))


class _Solved:
    """Ridge solutions of all penalties from one eigendecomposition of the covariance."""

    def __init__(self, x: Floats, y: Floats) -> None:
        self.x_mean, self.y_mean = x.mean(0), y.mean(0)
        spread = x.std(0)
        self.scale = np.where(spread > 0, spread, np.inf)  # what never varies has no weight
        standard = (x - self.x_mean) / self.scale
        self.values, self.vectors = np.linalg.eigh(standard.T @ standard)
        self.target = self.vectors.T @ (standard.T @ (y - self.y_mean))

    def at(self, penalty: float) -> tuple[Floats, Floats]:
        """Weight (d_in, d_out) and intercept (d_out,)."""
        shrunk = self.target / (np.maximum(self.values, 0) + penalty)[:, None]
        weight = (self.vectors @ shrunk) / self.scale[:, None]
        return weight, self.y_mean - self.x_mean @ weight
