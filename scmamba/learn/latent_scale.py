"""A latent scaled so that its distances mean differences of what it explains.

A latent that is learned by contrast spreads cells evenly over all of its axes, whether an axis
tells lineages or states of one type apart. Its least-squares map to measured values induces a
metric on it; the latent goes through the square root of that metric.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

_SMALLEST = 1e-4
"""Smallest eigenvalue of the metric, as a fraction of the largest: the way back stays exact."""
_RIDGE = 1e-3
_TINY = float(np.finfo(np.float64).tiny)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def induced_metric(
    latent: npt.NDArray[np.float32], values: sparse.csr_matrix, batch_ids: Ints
) -> Floats:
    """Return (d, d), the metric that the values induce on the latent, in fractions of variance.

    With Z the latent and X the values, both centered in each batch, and W the least-squares
    solution of Z W = X: W W' over the sum of squares of X, so that modalities of other sizes and
    units can be added.

    Parameters
    ----------
    latent
        (n_cells, d).
    values
        (n_cells, n_features) values such as log-normalized expression.
    batch_ids
        (n_cells,) from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.learn.latent_scale import induced_metric
    >>> latent = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    >>> values = sparse.csr_matrix(latent * [2, 1])
    >>> metric = induced_metric(latent, values, np.zeros(500, np.int64))
    >>> bool(3.8 < metric[0, 0] / metric[1, 1] < 4.2)
    True
    """
    inside = centered(latent, batch_ids)
    cross = (values.T @ inside).T  # as the latent is centered, the values need not be
    spread = inside.T @ inside
    ridge = _RIDGE * max(np.trace(spread) / len(spread), 1e-9)
    loadings = np.linalg.solve(spread + ridge * np.eye(len(spread)), cross)
    member, number = _members(batch_ids)
    sums = np.asarray((member @ values).power(2).sum(1)).ravel()
    squares = float((values.data.astype(np.float64) ** 2).sum()) - float((sums / number).sum())
    return np.asarray(loadings @ loadings.T / max(squares, _TINY))


def scale_by(metrics: Sequence[Floats], latent: npt.NDArray[np.float32], batch_ids: Ints) -> Floats:
    """Return (d, d), symmetric, by which a latent is multiplied: the root of a sum of metrics.

    The scaled latent has the total variance within batches of the latent itself.

    Parameters
    ----------
    metrics
        (d, d) each; see :func:`induced_metric`.
    latent
        (n_cells, d).
    batch_ids
        (n_cells,) from 0.
    """
    inside = centered(latent, batch_ids)
    spread = inside.T @ inside
    squares, axes = np.linalg.eigh(np.sum(metrics, axis=0))
    largest = max(float(squares[-1]), _TINY)
    scale = (axes * np.sqrt(np.maximum(squares / largest, _SMALLEST))) @ axes.T
    kept = np.trace(scale @ spread @ scale) / max(np.trace(spread), _TINY)
    return np.asarray(scale / np.sqrt(kept if kept > 0 else 1.0))


def centered(cells: npt.NDArray[np.floating], batch_ids: Ints) -> Floats:
    """(n_cells, d) less the mean of each cell's batch; ``batch_ids`` (n_cells,) from 0."""
    z = cells.astype(np.float64)
    member, number = _members(batch_ids)
    return np.asarray(z - ((member @ z) / number[:, None])[batch_ids])


def _members(batch_ids: Ints) -> tuple[sparse.csr_matrix, Floats]:
    """(n_batches, n_cells) which cell is in which batch, and (n_batches,) how many."""
    n_batches = int(batch_ids.max()) + 1
    ones = np.ones(len(batch_ids))
    member = sparse.csr_matrix((ones, (batch_ids, np.arange(len(ones)))))
    return member, np.maximum(np.bincount(batch_ids, minlength=n_batches), 1).astype(float)
