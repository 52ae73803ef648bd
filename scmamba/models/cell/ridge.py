"""Ridge regression with the penalty chosen by cross-validation, which may select the mean."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PENALTIES = (*(10.0**k for k in range(-2, 7)), math.inf)
"""Candidate penalties for standardized inputs; the last one predicts the mean."""


@dataclass(frozen=True)
class Ridge:
    """Linear map with intercept, fitted by ridge regression.

    Attributes
    ----------
    weight
        (d_in, d_out) weights of the original inputs.
    intercept
        (d_out,) intercept.
    penalty
        Chosen penalty on standardized inputs; if infinite, the mean is predicted.
    r2
        Fraction of variance explained on held-out rows, at most 1; 0 if the mean is as good. It is
        measured on the folds that chose the penalty.
    mean
        (d_out,) mean of the targets.
    shrinkage
        Root mean square of held-out predictions about the mean, relative to that of the targets; 0
        if the mean is predicted.
    """

    weight: Floats
    intercept: Floats
    penalty: float
    r2: float
    mean: Floats
    shrinkage: float

    def predict(self, x: Floats, *, restore: bool = False) -> Floats:
        """Predict (n, d_out) targets of ``x`` (n, d_in).

        Predictions are closer to the mean than targets are. With ``restore``, deviations from the
        mean are divided by ``shrinkage``, so that predictions vary as much as the targets.
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
        Inputs and targets, one row per example.
    n_folds
        Number of folds for choosing the penalty, 2 to n.
    seed
        Seed of the folds.
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
    best = int(np.flatnonzero(left == left.min())[-1])  # the strongest of equally good ones
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
        self.scale = np.where(spread > 0, spread, np.inf)  # constant inputs get no weight
        standard = (x - self.x_mean) / self.scale
        self.values, self.vectors = np.linalg.eigh(standard.T @ standard)
        self.target = self.vectors.T @ (standard.T @ (y - self.y_mean))

    def at(self, penalty: float) -> tuple[Floats, Floats]:
        """Return weights (d_in, d_out) and intercept (d_out,) for a penalty."""
        shrunk = self.target / (np.maximum(self.values, 0) + penalty)[:, None]
        weight = (self.vectors @ shrunk) / self.scale[:, None]
        return weight, self.y_mean - self.x_mean @ weight
