"""What a score loses without a gene."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from scmamba._progress import progress_bar
from scmamba.tasks._annotation.attribution import log_odds
from scmamba.tasks._annotation.cells import mean_logits
from scmamba.tasks._annotation.gene_columns import GeneColumns

if TYPE_CHECKING:
    from scmamba.tasks._annotation.annotator import Annotator
    from scmamba.tasks._annotation.prediction import Cells

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def scores(annotator: Annotator, cells: Cells) -> Floats:
    """(n, n_classes) log-odds of each class against all others for prepared cells."""
    neural = None
    if annotator.fusion.neural_weight > 0:
        outs = [annotator._outputs(member, cells) for member in annotator.neural.members]
        neural = torch.from_numpy(mean_logits(annotator.neural, outs).astype(np.float64))
    linear = torch.from_numpy(annotator.linear.logits(cells.values))
    return log_odds(annotator.fusion, linear, neural).numpy()


def knockout_effects(
    annotator: Annotator, cells: Cells, codes: Rows, genes: Rows, columns: GeneColumns, text: str
) -> Floats:
    """(n, k) drop of each cell's score when one of its genes is set to zero.

    Parameters
    ----------
    annotator
        Annotator that scores the cells.
    cells
        n prepared cells.
    codes
        (n,) class of each cell, whose score is taken.
    genes
        (n, k) positions in ``columns.names``; each gene is knocked out alone.
    columns
        Where the genes are found.
    text
        Title of the progress bar.
    """
    n = np.arange(len(codes))
    before = scores(annotator, cells)[n, codes]
    effects = np.zeros(genes.shape)
    with progress_bar(text, genes.shape[1], unit="genes", delay=2) as bar:
        for k, some in enumerate(genes.T):
            effects[:, k] = before - scores(annotator, _without(cells, some, columns))[n, codes]
            bar.update(1)
    return effects


def _without(cells: Cells, genes: Rows, columns: GeneColumns) -> Cells:
    """Return the cells, each with its own one of ``genes`` set to zero."""
    n = len(genes)
    ones = np.ones(n, np.float32)
    out = sparse.csr_matrix((ones, (np.arange(n), genes)), shape=(n, len(columns.names)))
    values = _zeroed(cells.values, out[:, : columns.panel])
    if columns.tokens is None:
        return replace(cells, values=values)
    X = _zeroed(cells.expression.X, (out @ columns.expression).tocsr())
    return replace(cells, values=values, expression=replace(cells.expression, X=X))


def _zeroed(values: sparse.csr_matrix, where: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return a matrix with zeros where another one holds entries."""
    found = (values - values.multiply(where > 0)).tocsr()
    found.eliminate_zeros()
    found.sort_indices()
    return found
