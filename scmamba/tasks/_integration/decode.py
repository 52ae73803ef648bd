"""Expression of integrated cells as of one batch, or as of all of them on average."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from scmamba.models.cell.model import CellModel
from scmamba.nn.heads import CountHead, MVCHead
from scmamba.nn.losses import negative_binomial_nll

SMALLEST = 0.01
"""Decoded values below it are left out of the matrix, which is then sparse."""
_NUMBERS = 1 << 25  # that a block of cells needs at once, about
_CELLS = 1024  # of a block at most

Floats = npt.NDArray[np.float32]


@torch.inference_mode()
def corrected_blocks(
    model: CellModel,
    embedding: Floats,
    genes: npt.NDArray[np.int64],
    batches: Sequence[int],
    depth: npt.NDArray[np.float64] | None,
) -> Iterator[sparse.csr_matrix]:
    """Decode cells, a block at a time, as if they had been measured in other batches.

    Parameters
    ----------
    model
        With a head that decodes counts, or an MVC head.
    embedding
        (n_cells, d_cell).
    genes
        (n_genes,) vocabulary ids of the genes wanted, in order; for counts, those that are decoded.
    batches
        As of which batches; of several, the mean.
    depth
        (n_cells,) counts that each cell has over these genes: counts are decoded. None: bins are.

    Yields
    ------
    (n_block, n_genes) expected counts or bins, at least 0; float32, without values below 0.01.
    """
    device = next(model.parameters()).device
    for part in _blocks(model, len(embedding), None if depth is not None else genes):
        cells = torch.from_numpy(embedding[part]).to(device)
        decoded = torch.stack(
            [_as_of(model, cells, genes, batch, depth is not None) for batch in batches]
        ).mean(0)
        values = decoded.cpu().numpy()
        if depth is not None:
            values = values * depth[part, None]
        values = np.where(values < SMALLEST, 0, values).astype(np.float32)
        yield sparse.csr_matrix(values)


def in_columns(
    decoded: sparse.csr_matrix, column: npt.NDArray[np.int64], n_columns: int
) -> sparse.csr_matrix:
    """Move columns to ``column`` of (n_cells, n_columns); those below 0 are dropped."""
    there = (column >= 0)[decoded.indices]
    lost = np.concatenate([[0], np.cumsum(~there)])[decoded.indptr]
    parts = (decoded.data[there], column[decoded.indices[there]], decoded.indptr - lost)
    placed = sparse.csr_matrix(parts, shape=(decoded.shape[0], n_columns))
    placed.sort_indices()
    return placed


@torch.inference_mode()
def fit_of_cells(
    model: CellModel,
    embedding: Floats,
    target: sparse.csr_matrix,
    batch_ids: npt.NDArray[np.int64],
    genes: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float64]:
    """How well each cell is decoded as of its batch, (n_cells,); higher is better.

    Parameters
    ----------
    model, embedding
        As for :func:`corrected_blocks`.
    target
        (n_cells, n_genes) counts, whose log-likelihood in nats is given; or bins, with ``genes``.
    batch_ids
        (n_cells,).
    genes
        (n_genes,) vocabulary ids: less the mean squared error of the bins is given.
    """
    device = next(model.parameters()).device
    found = np.empty(len(embedding))
    for part in _blocks(model, len(embedding), genes):
        real = torch.from_numpy(target[part].toarray()).float().to(device)
        cells = torch.from_numpy(embedding[part]).to(device)
        ids = torch.from_numpy(batch_ids[part]).to(device)
        if genes is None:
            head = model.head(CountHead)
            assert head is not None
            depth = real.sum(1, keepdim=True).clamp(min=1)
            log_mean = model.decode_counts(cells, ids) + depth.log()
            one = -negative_binomial_nll(real, log_mean, head.log_dispersion)
        else:
            one = -(_values(model, cells, genes, ids) - real).square().mean(1)
        found[part] = one.cpu().numpy()
    return found


def _blocks(model: CellModel, n: int, genes: npt.NDArray[np.int64] | None) -> Iterator[slice]:
    """Blocks of ``n`` cells; bins of ``genes`` take a vector for each cell and gene."""
    size = _CELLS
    if genes is not None:
        size = min(size, max(_NUMBERS // (model.config.encoder.d_model * max(len(genes), 1)), 1))
    return (slice(start, start + size) for start in range(0, n, size))


def _as_of(
    model: CellModel,
    cells: torch.Tensor,
    genes: npt.NDArray[np.int64],
    batch: int,
    counts: bool,
) -> torch.Tensor:
    """Shares of counts, or bins, of ``cells`` in one batch."""
    ids = torch.full((len(cells),), batch, device=cells.device)
    if counts:
        return model.decode_counts(cells, ids).exp()
    return _values(model, cells, genes, ids).clamp(min=0, max=model.config.encoder.n_bins - 1)


def _values(
    model: CellModel, cells: torch.Tensor, genes: npt.NDArray[np.int64], ids: torch.Tensor
) -> torch.Tensor:
    """(n_cells, n_genes) what the MVC head says."""
    head = model.head(MVCHead)
    assert head is not None
    vectors = model.gene_embedding(torch.from_numpy(genes).to(cells.device))
    label = None if model.batch_embedding is None else model.batch_embedding(ids)
    values, expressed = head(
        cells,
        vectors.expand(len(cells), -1, -1),
        label,
        None if label is None else label[:, None].expand(-1, len(genes), -1),
    )
    return values if expressed is None else values * expressed
