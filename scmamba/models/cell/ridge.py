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
    mean
        (d_out,) of what was fitted.
    shrinkage
        Root mean square of predictions of held-out rows about the mean, over that of the rows
        themselves; 0 where the mean is predicted.
    """

    weight: Floats
    intercept: Floats
    penalty: float
    r2: float
    mean: Floats
    shrinkage: float

    def predict(self, x: Floats, *, restore: bool = False) -> Floats:
        """(n, d_out) for ``x`` (n, d_in).

        The best guess is nearer to the mean than what it guesses. With ``restore`` the distance is
        divided by ``shrinkage``: predictions then vary as the fitted rows do.
        """
        best = x @ self.weight + self.intercept
        if not restore or self.shrinkage == 0:
            return best
        return self.mean + (best - self.mean) / self.shrinkage


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
    left, told = np.zeros(len(PENALTIES)), np.zeros(len(PENALTIES))
    total = 0.0
    for k in range(n_folds):
        out = part == k
        solved = _Solved(x[~out], y[~out])
        mean = y[~out].mean(0)
        total += float(np.square(y[out] - mean).sum())
        for i, penalty in enumerate(PENALTIES):
            weight, intercept = solved.at(penalty)
            guess = x[out] @ weight + intercept
            left[i] += np.square(y[out] - guess).sum()
            told[i] += np.square(guess - mean).sum()
    best = int(np.flatnonzero(left == left.min())[-1])  # of equals the strongest
    weight, intercept = _Solved(x, y).at(PENALTIES[best])
    if math.isinf(PENALTIES[best]) or total == 0:
        return Ridge(weight, intercept, PENALTIES[best], 0.0, y.mean(0), 0.0)
    r2, shrinkage = 1 - left[best] / total, math.sqrt(told[best] / total)
    return Ridge(weight, intercept, PENALTIES[best], float(r2), y.mean(0), shrinkage)


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
