"""Cells as an annotator's score sees them on the path from a baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from scmamba.models import CellModel
from scmamba.models.cell.output import CellOutput
from scmamba.pp.genes import find_genes
from scmamba.tasks._annotation.attribution import Point, Rows, Scorer
from scmamba.tasks._annotation.networks import compact_data
from scmamba.tasks._forward import cell_data

if TYPE_CHECKING:
    from scmamba.stream.data import CellData
    from scmamba.tasks._annotation.annotator import Annotator
    from scmamba.tasks._annotation.prediction import Cells
    from scmamba.tokens.cells.collate import CellBatch
    from scmamba.tokens.cells.vocab import Vocab

Floats = npt.NDArray[np.float64]

_MATRIX_CELLS, _TOKEN_CELLS = 256, 16
"""Cells that are explained at once: by products of matrices, and by networks that read tokens."""


@dataclass(frozen=True)
class GradientPath:
    """Some cells, the baseline and the score between both.

    Attributes
    ----------
    rows
        Positions of the cells.
    score, cells, baseline
        Arguments of :func:`~scmamba.tasks._annotation.attribution.integrated_gradients`.
    token_ids
        (n, L) vocabulary id of each token of a pretrained model, -1 where it is no gene; None
        where networks read the panel.
    """

    rows: Rows
    score: Scorer
    cells: Point
    baseline: Point
    token_ids: npt.NDArray[np.int64] | None = None


def gradient_paths(annotator: Annotator, cells: Cells, baseline: Floats) -> Iterator[GradientPath]:
    """Go through cells, some at once.

    Parameters
    ----------
    annotator
        Annotator whose score is explained.
    cells
        Prepared cells.
    baseline
        (n_chosen,) values of the panel at the start. Networks that read tokens see the genes that
        a cell expresses at their values of the baseline, or, with a vocabulary of their own, at 0.
    """
    read = None
    if annotator.fusion.neural_weight > 0:
        read = _tokens(annotator, cells)
    size = _MATRIX_CELLS if read is None else _TOKEN_CELLS
    start_values = torch.from_numpy(baseline)
    for first in range(0, cells.values.shape[0], size):
        rows = np.arange(first, min(first + size, cells.values.shape[0]))
        panel = torch.from_numpy(cells.values[rows].toarray().astype(np.float64))
        start = start_values.expand_as(panel)
        if annotator.fusion.neural_weight == 0:
            neural, batch = None, None
        else:
            batch = None if read is None else read.batch(rows)
            neural = _neural(annotator, batch, None if read is None else read.vocab)
        score = Scorer(annotator.fusion, annotator.linear, neural)
        if batch is None or annotator.reads_panel:
            yield GradientPath(rows, score, Point(panel), Point(start))
            continue
        assert read is not None
        gene = _is_gene(batch, read.vocab)
        values = batch.values
        at_start = torch.where(gene, torch.zeros_like(values), values)
        ids = torch.where(gene, batch.gene_ids, -1).numpy()
        yield GradientPath(rows, score, Point(panel, values), Point(start, at_start), ids)


def network_of_panel(
    annotator: Annotator, values: sparse.csr_matrix
) -> Callable[[Point], Tensor] | None:
    """Logits of the networks as a function of the panel.

    None where they have no weight, or read genes of their own: then the linear component alone
    can be asked about values (n, n_chosen) of the panel.
    """
    if annotator.fusion.neural_weight == 0 or not annotator.reads_panel:
        return None
    if annotator.neural.model.config.is_bag:
        return _neural(annotator, None, None)
    data = compact_data(values, annotator.panel.names)
    return _neural(annotator, data.batch(np.arange(len(data))), data.vocab)


def _tokens(annotator: Annotator, cells: Cells) -> CellData | None:
    """Tokens of the cells; None for bags of genes of the panel."""
    model: CellModel = annotator.neural.model
    if annotator.reads_panel:
        if model.config.is_bag:
            return None
        return compact_data(cells.values, annotator.panel.names)
    assert model.vocab is not None
    return cell_data(model, cells.expression, find_genes(cells.expression, model.vocab.tokens))


def _is_gene(batch: CellBatch, vocab: Vocab) -> Tensor:
    """(n, L) True where a token is a gene."""
    special = torch.tensor([vocab.pad_id, vocab.cls_id, vocab.eoc_id])
    return ~(torch.isin(batch.gene_ids, special) | batch.padding_mask)


def _neural(
    annotator: Annotator, batch: CellBatch | None, vocab: Vocab | None
) -> Callable[[Point], Tensor]:
    """Logits of the neural component as a function of a point."""
    component, head = annotator.neural, annotator.neural.head
    for model in component.members:
        model.eval()

    def logits(point: Point) -> Tensor:
        if head is None:
            outs = [_out(model, point, batch, vocab).class_logits for model in component.members]
            return torch.stack([one.cpu().double() for one in outs if one is not None]).mean(0)
        embedding = _out(component.model, point, batch, vocab).cell_embedding.cpu().double()
        return embedding @ torch.from_numpy(head.coef).T + torch.from_numpy(head.intercept)

    return logits


def _out(
    model: CellModel, point: Point, batch: CellBatch | None, vocab: Vocab | None
) -> CellOutput:
    """Return what a network gives at a point: of the panel as a matrix, or of tokens."""
    device = next(model.parameters()).device
    if batch is None or vocab is None:
        return model.forward_matrix(point.panel.float().to(device))
    values = point.tokens
    if values is None:  # tokens are the columns of the panel
        columns = batch.gene_ids.clamp(max=point.panel.shape[1] - 1)
        own = point.panel.float().gather(1, columns)
        values = torch.where(_is_gene(batch, vocab), own, batch.values)
    on = batch.to(device)
    return model(on.gene_ids, values.to(device), on.padding_mask, heads={"class"})
