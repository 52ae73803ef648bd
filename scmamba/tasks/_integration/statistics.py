"""Statistics by which cells are normalized: those of their batch, or of all cells."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from scmamba.models.cell.model import CellModel
from scmamba.nn.heads import CountHead
from scmamba.nn.norm import DomainBatchNorm
from scmamba.stream import TOKEN_BUDGET, CellBatches, CellData
from scmamba.tasks._integration.network import Cells

PRIOR_CELLS = 10.0
"""How many cells like the mean batch each batch is believed to have beside its own."""


def recompute_batch_statistics(model: CellModel, data: CellData) -> None:
    """Normalize by the statistics of all cells, or all of a batch, not by running ones."""
    norm, cells = model.cell_norm, pooled(model, data).to(next(model.parameters()).device)
    if isinstance(norm, DomainBatchNorm):
        assert data.batch_ids is not None
        norm.set_statistics(cells, torch.from_numpy(data.batch_ids).to(cells.device), PRIOR_CELLS)
        return
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(cells.mean(0))
    norm.running_var.copy_(cells.var(0, correction=0))


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
