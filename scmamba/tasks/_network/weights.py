"""Weights of regulators on targets: by knock-outs, gradients, gene embeddings or correlation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from scmamba._progress import progress_bar
from scmamba.stream import CellBatches
from scmamba.stream.buckets import TOKEN_BUDGET
from scmamba.tasks._cell_models import ReadCells
from scmamba.tasks._knockout.decode import Decoder
from scmamba.tasks._knockout.effects import Part, measure
from scmamba.tasks._knockout.shifts import Perturber

_GRADIENT_CELLS = 200
"""Cells over which gradients are averaged, at most."""

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def by_knockout(perturber: Perturber, ids: Ids, decoder: Decoder) -> Floats:
    """(n_regulators, n_decoded) loss of expression by a deletion, in standard deviations."""
    part = Part(np.arange(len(perturber.before)), perturber)
    mean = measure([part], ids, None, "Perturbing regulators").mean
    return -_standard(mean @ decoder.weight, decoder)


def by_gradient(cells: ReadCells, ids: Ids, decoder: Decoder) -> Floats:
    """(n_regulators, n_decoded) slope of expression on the regulator's value, both in deviations.

    The slope is the mean over cells of the gradient of the cell embedding, decoded.
    """
    model, n = cells.model.eval(), len(cells.data)
    some = np.unique(np.linspace(0, n - 1, min(n, _GRADIENT_CELLS)).astype(np.int64))
    data, device = cells.data.take(some), next(cells.model.parameters()).device
    slope = np.zeros((len(cells.data.vocab), model.config.d_cell))
    batches = CellBatches(data, np.arange(len(data)), token_budget=TOKEN_BUDGET // 8)
    with progress_bar("Computing gradients", len(data), unit="cells", delay=2) as bar:
        for batch in batches:
            on = batch.to(device)
            values = on.values.float().requires_grad_()
            pooled = model.pooled(on.gene_ids, values, on.padding_mask, on.batch_ids)
            cell = model.finish(pooled, on.batch_ids)[0]
            place = on.gene_ids.cpu().numpy().ravel()
            for d in range(cell.shape[1]):
                (got,) = torch.autograd.grad(cell[:, d].sum(), values, retain_graph=True)
                np.add.at(slope[:, d], place, got.double().cpu().numpy().ravel())
            bar.update(len(batch.rows))
    spread = deviation(cells.values)[ids]
    return _standard(slope[ids] / len(some) @ decoder.weight, decoder) * spread[:, None]


def by_embedding(cells: ReadCells, ids: Ids, targets: Ids) -> Floats:
    """(n_regulators, n_targets) cosine of gene embeddings; symmetric."""
    part = cells.model.gene_embedding
    with torch.no_grad():
        table = part.norm(part.embedding.weight).double().cpu().numpy()
    length = np.maximum(np.linalg.norm(table, axis=1, keepdims=True), np.finfo(float).tiny)
    table = table / length
    return np.asarray(table[ids] @ table[targets].T)


def by_correlation(values: sparse.csr_matrix, regulators: Ids, targets: Ids) -> Floats:
    """(n_regulators, n_targets) Pearson correlation of columns of log-normalized ``values``."""
    mean = np.asarray(values.mean(0), np.float64).ravel()
    spread = np.maximum(deviation(values), np.finfo(float).tiny)
    product = (values[:, regulators].T @ values[:, targets]).toarray() / values.shape[0]
    covariance = product - np.outer(mean[regulators], mean[targets])
    return np.asarray(covariance / np.outer(spread[regulators], spread[targets])).clip(-1, 1)


def _standard(change: Floats, decoder: Decoder) -> Floats:
    return change / np.maximum(decoder.scale, np.finfo(float).tiny)


def deviation(values: sparse.csr_matrix) -> Floats:
    """(n_genes,) standard deviation of each column."""
    x = values.astype(np.float64)
    mean = np.asarray(x.mean(0)).ravel()
    square = np.asarray(x.multiply(x).mean(0)).ravel()
    return np.sqrt(np.maximum(square - mean**2, 0))
