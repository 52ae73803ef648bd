"""Principal components of log-normalized values, computed once for all that needs them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.linear import Linear

Floats = npt.NDArray[np.float64]

_CLIP = 10.0  # standard deviations
_FLOOR = 0.1
"""Added to standard deviations of log-normalized values, so that rare genes do not dominate."""
_MOST_CELLS = 20_000
"""Cells that components are computed from, at most."""


@dataclass(frozen=True)
class Axes:
    """Principal components of standardized values.

    Attributes
    ----------
    mean, scale
        (n_genes,) what is subtracted from values, and what they are then divided by.
    components
        (n_genes, k).
    """

    mean: Floats
    scale: Floats
    components: Floats

    @property
    def loadings(self) -> Floats:
        """(n_genes, k) weights of values that are not standardized."""
        return np.asarray(self.components / self.scale[:, None])

    def coordinates(self, x: sparse.csr_matrix) -> Floats:
        """(n, k) coordinates of (n, n_genes) values, of which none counts over 10 deviations."""
        parts = []
        for start in range(0, x.shape[0], 4096):
            block = standardized(x[start : start + 4096], self.mean, self.scale)
            parts.append(block @ self.components)
        return np.concatenate(parts) if parts else np.zeros((0, self.components.shape[1]))

    def projected(self, x: sparse.csr_matrix) -> Floats:
        """(n, k) coordinates that are linear in ``x`` (n, n_genes)."""
        return np.asarray(x @ self.loadings) - self.mean @ self.loadings

    def lifted(self, linear: Linear) -> Linear:
        """Return the same outputs as ``linear`` gives for :meth:`projected` values, for values."""
        coef = linear.coef @ self.loadings.T
        return Linear(coef, linear.intercept - coef @ self.mean)


def fit_axes(x: sparse.csr_matrix, n_components: int, seed: int = 0) -> Axes:
    """Principal components of (n, n_genes) values.

    Parameters
    ----------
    x
        Log-normalized values; of more than 20,000 cells a sample is used.
    n_components
        Number of components; fewer where cells or genes are fewer.
    seed
        Random seed.

    Examples
    --------
    >>> x = sparse.csr_matrix(np.eye(4, 6, dtype=np.float32))
    >>> axes = fit_axes(x, 2)
    >>> np.allclose(axes.projected(x), axes.coordinates(x), atol=1e-5)
    True
    """
    from sklearn.utils.extmath import randomized_svd

    if x.shape[0] > _MOST_CELLS:
        rows = np.random.default_rng(seed).choice(x.shape[0], _MOST_CELLS, replace=False)
        x = x[np.sort(rows)]
    mean, scale = moments(x)
    scale = scale + _FLOOR
    k = min(n_components, min(x.shape) - 1)
    if k < 1:
        return Axes(mean, scale, np.eye(x.shape[1], 1))
    standard = standardized(x, mean, scale).astype(np.float32)
    components = randomized_svd(standard, k, random_state=seed)[2].T
    return Axes(mean, scale, components.astype(np.float64))


def moments(x: sparse.csr_matrix) -> tuple[Floats, Floats]:
    """Mean and standard deviation (n_genes,) of each column, the latter above 0."""
    mean = np.asarray(x.mean(0), dtype=np.float64).ravel()
    square = np.asarray(x.multiply(x).mean(0), dtype=np.float64).ravel()
    return mean, np.sqrt(np.maximum(square - mean**2, 0)) + 1e-2


def standardized(x: sparse.csr_matrix, mean: Floats, scale: Floats) -> Floats:
    """(n, n_genes) dense values in standard deviations from the mean, at most 10."""
    return np.clip((x.toarray() - mean) / scale, -_CLIP, _CLIP)
