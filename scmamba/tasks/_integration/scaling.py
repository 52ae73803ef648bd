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

from scmamba.learn.latent_scale import induced_metric, scale_by
from scmamba.models.cell.model import CellModel
from scmamba.nn.heads import BatchDiscriminator, ClassHead, CountHead, LatentHead

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
    return scale_by([induced_metric(latent, values, batch_ids)], latent, batch_ids)


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
