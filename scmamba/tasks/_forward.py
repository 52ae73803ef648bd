"""Cells through a model, batch by batch: from expression to embeddings and class logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from scmamba._allocator import keep_freed_memory
from scmamba._log import logger
from scmamba._progress import progress_bar
from scmamba.models.cell.model import CellModel
from scmamba.models.device import autocast
from scmamba.pp.expression import Expression
from scmamba.pp.normalize import log_normalized
from scmamba.stream import CellBatches
from scmamba.stream.buckets import TOKEN_BUDGET
from scmamba.stream.data import CellData
from scmamba.stream.matrix import BLOCK_VALUES
from scmamba.tokens.cells.genes import GeneMatch
from scmamba.tokens.cells.tokenize import tokenize

_WEIGHTS = 1 << 24
"""Of a model that reads whole blocks."""


def cell_data(
    model: CellModel,
    expression: Expression,
    match: GeneMatch,
    *,
    max_length: int | None = None,
    seed: int = 0,
    batch_ids: npt.NDArray[np.int64] | None = None,
) -> CellData:
    """Tokens of cells as ``model`` reads them.

    Parameters
    ----------
    model
        With a vocabulary.
    expression
        Cells by genes.
    match
        Which token each gene is.
    max_length
        At most this many genes a cell; None: all.
    seed
        Random seed of the draw of genes of longer cells.
    batch_ids
        (n_cells,) batch of each cell, for a model with a norm per batch.
    """
    config = model.config.encoder
    assert model.vocab is not None
    binned = config.value_type == "bins"
    values = expression.X
    if not binned:
        values = log_normalized(values, expression.unit)
    tokens = tokenize(
        values,
        match.index,
        n_bins=config.n_bins if binned else None,
        max_length=max_length,
        seed=seed,
    )
    return CellData(tokens, model.vocab, config.cls_value, config.pad_value, batch_ids=batch_ids)


def block_values(*models: CellModel) -> int:
    """Return the number of stored values of a block of cells on disk: fewer for large models.

    A killed run loses the block that it was at, which is then seconds of work, or minutes of a
    large model on a CPU.
    """
    weights = sum(p.numel() for model in models for p in model.stack.parameters())
    return BLOCK_VALUES // int(np.clip(weights // _WEIGHTS, 1, 16))


@dataclass(frozen=True)
class Forward:
    """What a model gives for n cells.

    Attributes
    ----------
    embedding
        (n, D) float32 cell embeddings.
    class_logits
        (n, n_classes) float64, or None where the model has no class head.
    """

    embedding: npt.NDArray[np.float32]
    class_logits: npt.NDArray[np.float64] | None


@torch.inference_mode()
def forward(model: CellModel, data: CellData, *, text: str = "Embedding cells") -> Forward:
    """Run ``model`` over all cells, in its evaluation mode.

    Parameters
    ----------
    model
        On the device to use.
    data
        Cells as tokens.
    text
        Title of the progress bar, which appears when it takes a while.
    """
    keep_freed_memory()
    model.eval()
    device = next(model.parameters()).device
    embedding = np.zeros((len(data), model.config.d_cell), np.float32)
    logits = np.zeros((len(data), model.config.n_classes), np.float64)
    batches = CellBatches(data, np.arange(len(data)), token_budget=TOKEN_BUDGET)
    padding = f"{batches.padding_share:.1%}"
    logger.debug("%s: %d in %d batches, padding %s", text, len(data), len(batches), padding)
    with progress_bar(text, len(data), unit="cells", delay=2) as bar:
        for batch in batches:
            on = batch.to(device)
            with autocast(device):
                out = model(on.gene_ids, on.values, on.padding_mask, on.batch_ids, heads={"class"})
            rows = batch.rows.numpy()
            embedding[rows] = out.cell_embedding.float().cpu().numpy()
            if out.class_logits is not None:
                logits[rows] = out.class_logits.double().cpu().numpy()
            bar.update(len(rows))
    return Forward(embedding, logits if model.config.n_classes else None)
