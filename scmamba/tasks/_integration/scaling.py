"""Axes of a latent scaled by how much expression each explains, which changes nothing else.

A latent that is learned by contrast spreads cells evenly over all of its axes, whether an axis
tells lineages or states of one type apart. In the embedding that is given out, distances are those
of expression: the latent goes through the square root of the metric that its least-squares map to
log-normalized expression, within batches, induces. Heads that read the latent go back first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import nn

from scmamba.models.cell.model import CellModel
from scmamba.nn.heads import BatchDiscriminator, ClassHead, CountHead, LatentHead

_SMALLEST = 1e-4
"""Smallest eigenvalue of the metric, as a fraction of the largest: the way back stays exact."""

Floats = npt.NDArray[np.float64]


def expression_scale(
    latent: npt.NDArray[np.float32],
    values: sparse.csr_matrix,
    batch_ids: npt.NDArray[np.int64],
) -> Floats:
    """Return (d, d), symmetric, by which a latent is multiplied so that distances mean expression.

    With Z the latent and X the expression, both centered in each batch, and W the least-squares
    solution of Z W = X: the square root of W W', at the latent's own total variance.

    Parameters
    ----------
    latent
        (n_cells, d).
    values
        (n_cells, n_genes) log-normalized expression.
    batch_ids
        (n_cells,) from 0.
    """
    z = latent.astype(np.float64)
    n_batches = int(batch_ids.max()) + 1
    member = sparse.csr_matrix((np.ones(len(z)), (batch_ids, np.arange(len(z)))))
    means = (member @ z) / np.maximum(np.bincount(batch_ids, minlength=n_batches), 1)[:, None]
    centered = z - means[batch_ids]  # and so is the product with the expression as it is
    cross = (values.T @ centered).T
    spread = centered.T @ centered
    ridge = 1e-3 * max(np.trace(spread) / len(spread), 1e-9)
    map_to_genes = np.linalg.solve(spread + ridge * np.eye(len(spread)), cross)
    squares, axes = np.linalg.eigh(map_to_genes @ map_to_genes.T)
    largest = max(float(squares[-1]), float(np.finfo(np.float64).tiny))
    scale = (axes * np.sqrt(np.maximum(squares / largest, _SMALLEST))) @ axes.T
    kept = np.trace(scale @ spread @ scale) / max(np.trace(spread), np.finfo(np.float64).tiny)
    return np.asarray(scale / np.sqrt(kept if kept > 0 else 1.0))


@torch.no_grad()
def scale_latent(model: CellModel, scale: Floats) -> None:
    """Multiply the latent of ``model`` by ``scale`` (d, d), in place; its heads give the same."""
    head = model.head(LatentHead)
    assert head is not None
    d, out = len(scale), head.out
    forth = out.weight.new_tensor(scale)
    out.weight[:d] = forth.T @ out.weight[:d]
    out.bias[:d] = out.bias[:d] @ forth
    back = out.weight.new_tensor(np.linalg.inv(scale))
    for kind in (CountHead, ClassHead, BatchDiscriminator):
        reader = model.head(kind)
        if reader is not None:
            first = next(one for one in reader.modules() if isinstance(one, nn.Linear))
            first.weight[:, :d] = first.weight[:, :d] @ back.T
