"""Ridge regression from the values of one modality to those of another, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Penalties to choose among, in units of the mean squared norm of a cell."""
_MOST_CELLS = 4_000


@dataclass(frozen=True)
class Ridge:
    """A linear map of coded values.

    Attributes
    ----------
    coef
        (n_features, n_targets) float32.
    intercept
        (n_targets,) float32.
    """

    coef: npt.NDArray[np.float32]
    intercept: npt.NDArray[np.float32]

    def predict(self, values: sparse.csr_matrix) -> Floats:
        """(n, n_targets) from values (n, n_features)."""
        return np.asarray(values @ self.coef + self.intercept, dtype=np.float64)


def fit_ridge(values: sparse.csr_matrix, target: Floats, seed: int) -> Ridge:
    """Fit a ridge regression; each target has the penalty of the least leave-one-out error.

    Parameters
    ----------
    values
        (n, n_features); of more than 4,000 cells a sample is taken.
    target
        (n, n_targets).
    seed
        Seed of the sample.
    """
    if len(target) > _MOST_CELLS:
        rows = np.sort(np.random.default_rng(seed).choice(len(target), _MOST_CELLS, replace=False))
        values, target = values[rows], target[rows]
    center, mean = np.asarray(values.mean(0)).ravel(), target.mean(0)
    x = values.toarray().astype(np.float64) - center
    size, vectors = np.linalg.eigh(x @ x.T)
    size = size.clip(0)
    unit = max(size.sum() / len(size), 1e-12)
    y = target - mean
    rotated = vectors.T @ y
    best = np.full(y.shape[1], np.inf)
    dual = np.zeros_like(y)
    for penalty in PENALTIES:
        inverse = 1 / (size + penalty * unit)
        alpha = vectors @ (inverse[:, None] * rotated)
        diagonal = (vectors**2 * inverse).sum(1)
        # One over the cells for the mean, which leaves out no cell.
        error = ((alpha / np.maximum(diagonal, 1e-12)[:, None]) ** 2).mean(0)
        better = error < best
        best, dual = np.where(better, error, best), np.where(better, alpha, dual)
    coef = x.T @ dual
    return Ridge(coef.astype(np.float32), (mean - center @ coef).astype(np.float32))
