"""Principal components of expression within batches, as a linear part of an embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.latent_scale import centered

_EXTRA, _PASSES = 10, 6
"""Directions beside those that are wanted, and passes over the cells that turn them."""
_TINY = 1e-9

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Components:
    """Linear map from expression to k components; what differs between batches chose none of them.

    Attributes
    ----------
    axes
        (n_genes, k) directions, ordered by the variance along them, all scaled alike.
    center
        (k,) where the mean of all cells is along them.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.learn.components import Components
    >>> rng = np.random.default_rng(0)
    >>> values = sparse.csr_matrix(rng.poisson([9.0, 4.0, 1.0], (300, 3)).astype(np.float32))
    >>> fitted = Components.fit(values, np.repeat([0, 1], 150), 2, spread=1.0, seed=0)
    >>> fitted.of(values).shape
    (300, 2)
    """

    axes: Floats
    center: Floats

    @classmethod
    def fit(
        cls, values: sparse.csr_matrix, batch_ids: Ints, k: int, *, spread: float, seed: int
    ) -> Components:
        """Find the components, by block power iterations from random directions.

        Parameters
        ----------
        values
            (n_cells, n_genes) log-normalized expression.
        batch_ids
            (n_cells,) from 0.
        k
            How many components, at most one less than there are cells or genes.
        spread
            Root mean square length that cells shall have in them, from the mean of their batch.
        seed
            Of the random directions.
        """
        k = min(k, min(values.shape) - 1)
        start = np.random.default_rng(seed).normal(size=(values.shape[1], k + _EXTRA))
        axes = np.linalg.qr(start)[0]
        for _ in range(_PASSES):
            axes = np.linalg.qr(values.T @ centered(values @ axes, batch_ids))[0]
        _, lengths, turn = np.linalg.svd(centered(values @ axes, batch_ids), full_matrices=False)
        axes = axes @ turn[:k].T
        now = float(np.sqrt((lengths[:k] ** 2).sum() / values.shape[0]))
        axes *= spread / now if now > _TINY else 0.0
        center = np.asarray(values.mean(0)).ravel() @ axes
        return cls(axes.astype(np.float32), center.astype(np.float32))

    def of(self, values: sparse.csr_matrix) -> Floats:
        """(n, k) components of cells (n, n_genes)."""
        return np.asarray(values @ self.axes - self.center, np.float32)
