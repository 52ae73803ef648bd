"""Cells of new batches brought into a fitted integration, without refitting anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import nn

from scmamba.models.cell.model import CellModel
from scmamba.nn.heads import CountHead, LatentHead
from scmamba.nn.norm import DomainBatchNorm
from scmamba.tasks._integration.decode import fit_of_cells
from scmamba.tasks._integration.statistics import PRIOR_CELLS

_SAMPLE = 2_000  # cells of a batch that are tried in every way

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Placed:
    """Cells of one batch in the integration.

    Attributes
    ----------
    embedding
        (n, d_cell).
    normed_as
        Position of the batch by whose statistics they are normed; -1: by their own; None: by those
        of all cells that were fitted.
    """

    embedding: Floats
    normed_as: int | None


@dataclass(frozen=True)
class Trial:
    """Some cells of a new batch, on which every way to normalize it is tried.

    Attributes
    ----------
    pooled
        (n, d_model) cells before that normalization.
    counts
        (n, n_counts).
    """

    pooled: torch.Tensor
    counts: sparse.csr_matrix


def tried_rows(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Take at most 2,000 of the rows of a batch, evenly."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE)).astype(np.int64)]


def place(model: CellModel, pooled: torch.Tensor, trial: Trial | None, batch: int | None) -> Placed:
    """Normalize cells of one batch and give them their latent.

    A batch that was fitted keeps its statistics. A new one is tried with its own statistics, which
    are right where its cells are a mixture as in the reference, and with those of every fitted
    batch, which are right where it holds some cell types alone: the way that makes its counts
    likeliest is taken. Without counts its own statistics are taken. A model that normalizes all
    cells alike has nothing to choose.

    Parameters
    ----------
    model
        With a norm per batch, or of all cells.
    pooled
        (n, d_model) its cells before that norm.
    trial
        Some of them with their counts, for a new batch; None where no counts are decoded.
    batch
        Position among the fitted batches; None for a new one.
    """
    norm = model.cell_norm
    if isinstance(norm, nn.BatchNorm1d):
        return Placed(_latent(model, _alike(norm, pooled.to(_device(model)))), None)
    assert isinstance(norm, DomainBatchNorm)
    if batch is not None:
        return Placed(_latent(model, _normed(pooled, _statistics(norm, batch))), batch)
    ways = {-1: _own(norm, pooled), **{i: _statistics(norm, i) for i in range(len(norm.bns))}}
    chosen = -1
    if trial is not None and model.head(CountHead) is not None:
        fits = {way: _fit(model, trial.pooled, trial.counts, ways[way]) for way in ways}
        chosen = max(fits, key=fits.__getitem__)
    return Placed(_latent(model, _normed(pooled, ways[chosen])), chosen)


Statistics = tuple[torch.Tensor, torch.Tensor]


def _statistics(norm: DomainBatchNorm, batch: int) -> Statistics:
    mean, var = norm.bns[batch].running_mean, norm.bns[batch].running_var
    assert isinstance(mean, torch.Tensor) and isinstance(var, torch.Tensor)
    return mean.cpu(), var.cpu()


def _own(norm: DomainBatchNorm, pooled: torch.Tensor) -> Statistics:
    """Statistics of the cells themselves, leaning on the mean fitted batch where they are few."""
    fitted = [_statistics(norm, i) for i in range(len(norm.bns))]
    mean, var = (torch.stack(parts).mean(0) for parts in zip(*fitted, strict=True))
    share = len(pooled) / (len(pooled) + PRIOR_CELLS)
    return mean.lerp(pooled.mean(0), share), var.lerp(pooled.var(0, correction=0), share)


def _fit(
    model: CellModel, pooled: torch.Tensor, counts: sparse.csr_matrix, way: Statistics
) -> float:
    """Mean log-likelihood of cells normed this way, decoded as of the batch that fits them best."""
    embedding = _latent(model, _normed(pooled, way))
    n_batches = max(model.config.n_batches, 1)
    return max(
        fit_of_cells(model, embedding, counts, np.full(len(embedding), batch)).mean()
        for batch in range(n_batches)
    )


def _normed(pooled: torch.Tensor, way: Statistics) -> torch.Tensor:
    mean, var = way
    return (pooled - mean) / (var + 1e-7).sqrt()


def _alike(norm: nn.BatchNorm1d, pooled: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return norm.eval()(pooled)


def _device(model: CellModel) -> torch.device:
    return next(model.parameters()).device


@torch.inference_mode()
def _latent(model: CellModel, normed: torch.Tensor) -> Floats:
    head = model.head(LatentHead)
    assert head is not None
    model.eval()
    return head(normed.to(_device(model)))[0].float().cpu().numpy()
