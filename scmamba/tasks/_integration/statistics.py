"""Statistics of each batch, by which its cells are normalized."""

from __future__ import annotations

import numpy as np
import torch

from scmamba.models.cell.model import CellModel
from scmamba.nn.heads import CountHead
from scmamba.nn.norm import DomainBatchNorm
from scmamba.stream import TOKEN_BUDGET, CellBatches, CellData
from scmamba.tasks._integration.network import Cells

PRIOR_CELLS = 10.0
"""How many cells like the mean batch each batch is believed to have beside its own."""


def recompute_batch_statistics(model: CellModel, data: CellData) -> None:
    """Normalize each batch by the statistics of all its cells, not by running ones."""
    assert isinstance(model.cell_norm, DomainBatchNorm) and data.batch_ids is not None
    ids = torch.from_numpy(data.batch_ids)
    device = next(model.parameters()).device
    model.cell_norm.set_statistics(pooled(model, data).to(device), ids.to(device), PRIOR_CELLS)


@torch.inference_mode()
def pooled(model: CellModel, data: CellData) -> torch.Tensor:
    """(n_cells, d_model) cells before the norm of their batch, on the CPU."""
    model.eval()
    device = next(model.parameters()).device
    found = torch.zeros(len(data), model.config.encoder.d_model)
    for batch in CellBatches(data, np.arange(len(data)), token_budget=TOKEN_BUDGET):
        on = batch.to(device)
        one = model.pooled(on.gene_ids, on.values, on.padding_mask, on.batch_ids)
        found[batch.rows] = one.float().cpu()
    return found


def init_batch_statistics(model: CellModel, cells: Cells) -> None:
    """Start from the statistics and the mean counts of every batch."""
    recompute_batch_statistics(model, cells.data)
    head = model.head(CountHead)
    if cells.counts is None or head is None:
        return
    ids = cells.batch_ids
    totals = [np.asarray(cells.counts[ids == i].sum(0)).ravel() for i in range(cells.n_batches)]
    head.set_background(torch.from_numpy(np.stack(totals)).float())
