"""Training of a bag of genes on a matrix of cells by genes: no tokens, large batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from scmamba.learn.matrix_trainer import MatrixTrainer
from scmamba.models import CellModel
from scmamba.nn.heads import BatchDiscriminator
from scmamba.stream import CellData, GeneSubsets
from scmamba.train import Objective, TrainConfig
from scmamba.train.budget import TimeBudget
from scmamba.train.objectives import total
from scmamba.train.optim import linear_ramp
from scmamba.train.result import FitResult

_LEAST_STEPS = 4
"""Steps of an epoch, as far as there are 16 cells for each: few cells share smaller batches."""
_LEAST_CELLS = 16
ADVERSARY_RAMP = (0.1, 0.5)
"""Fractions of the training at which the adversary's gradient begins, and has its full weight."""


@dataclass(frozen=True)
class MatrixBatch:
    """Two gene subsets of each of some cells; those of the same cell carry the same ``rows``.

    Attributes
    ----------
    rows
        (B,) int64 positions of the cells.
    values
        (B, n_genes) values of the genes of a subset, 0 elsewhere.
    counts
        (B / 2, n_counts) counts of the whole cells, each once, or None.
    labels, batch_ids
        (B,) int64, labels below 0 where unknown; labels may be None.
    """

    rows: Tensor
    values: Tensor
    counts: Tensor | None
    labels: Tensor | None
    batch_ids: Tensor


def matrix_of(data: CellData) -> sparse.csr_matrix:
    """(n_cells, n_genes) values of tokens, float32; special tokens have no column."""
    tokens = data.tokens
    n = int(tokens.gene_ids.max(initial=-1)) + 1
    parts = (tokens.values.astype(np.float32), tokens.gene_ids, tokens.indptr)
    return sparse.csr_matrix(parts, shape=(len(data), n))


def train_matrix(
    model: CellModel,
    data: CellData,
    counts: sparse.csr_matrix | None,
    rows: npt.NDArray[np.int64],
    objectives: Sequence[Objective[Any, Any]],
    subsets: GeneSubsets,
    config: TrainConfig,
    budget: TimeBudget,
    *,
    text: str,
) -> FitResult:
    """Train a bag of genes in place; the averaged weights of the last step are kept.

    Parameters
    ----------
    model
        A model whose configuration ``is_bag``.
    data
        All cells, with their batches.
    counts
        (n_cells, n_counts) counts to be decoded, or None.
    rows
        Positions of the cells to learn from.
    objectives
        Those that are on; none that needs tokens.
    subsets
        Probability with which a gene of a cell is in a subset.
    config
        Epochs, rates, sizes, seed.
    budget
        Time that is left.
    text
        Title of the progress bar.

    Raises
    ------
    ScmambaError
        The loss is not a finite number.
    """
    return _Trainer(model, data, counts, rows, objectives, subsets, config, budget).fit(text)


@dataclass(frozen=True)
class MatrixBatches:
    """Draws gene subsets of cells."""

    values: sparse.csr_matrix
    counts: sparse.csr_matrix | None
    data: CellData
    keep_prob: float
    device: torch.device

    def epoch(
        self, rows: npt.NDArray[np.int64], size: int, rng: np.random.Generator
    ) -> Iterator[MatrixBatch]:
        """One pass in random order, in batches of equal size; the rest waits for another pass."""
        order = rng.permutation(rows)
        for start in range(0, max(len(order) // size, 1) * size, size):
            yield self._batch(order[start : start + size], rng)

    def _batch(self, rows: npt.NDArray[np.int64], rng: np.random.Generator) -> MatrixBatch:
        twice, values = np.tile(rows, 2), self.values[rows]
        keep = round(256 * self.keep_prob)  # of 256: random bytes are cheap
        subsets = []
        for _ in range(2):
            kept = rng.integers(0, 256, values.nnz, dtype=np.uint8) < keep
            parts = (values.data * kept, values.indices, values.indptr)
            subsets.append(sparse.csr_matrix(parts, shape=values.shape).toarray())
        counts = None
        if self.counts is not None:
            counts = torch.from_numpy(self.counts[rows].toarray()).float().to(self.device)
        ids, labels = self.data.batch_ids, self.data.labels
        assert ids is not None
        return MatrixBatch(
            rows=torch.from_numpy(twice).to(self.device),
            values=torch.from_numpy(np.concatenate(subsets)).to(self.device),
            counts=counts,
            labels=None if labels is None else torch.from_numpy(labels[twice]).to(self.device),
            batch_ids=torch.from_numpy(ids[twice]).to(self.device),
        )


class _Trainer(MatrixTrainer[CellModel, MatrixBatch]):
    """Learns the objectives, against the batch discriminator where there is one."""

    def __init__(
        self,
        model: CellModel,
        data: CellData,
        counts: sparse.csr_matrix | None,
        rows: npt.NDArray[np.int64],
        objectives: Sequence[Objective[Any, Any]],
        subsets: GeneSubsets,
        config: TrainConfig,
        budget: TimeBudget,
    ) -> None:
        self.adversary = model.head(BatchDiscriminator)
        super().__init__(
            model,
            config,
            len(rows),
            least=_LEAST_CELLS,
            least_steps=_LEAST_STEPS,
            budget=budget,
            rival=self.adversary,
        )
        self.cells = MatrixBatches(matrix_of(data), counts, data, subsets.keep_prob, self.device)
        self.rows, self.objectives = rows, objectives
        self.heads = {one.head for one in objectives if one.head}
        self.rng = np.random.default_rng(config.seed)

    def batches(self) -> Iterator[MatrixBatch]:
        """Two gene subsets of each cell of a batch."""
        return self.cells.epoch(self.rows, self.size, self.rng)

    def losses(self, batch: MatrixBatch) -> dict[str, Tensor]:
        """Losses of the objectives, and their weighted sum."""
        if self.adversary is not None:
            self.adversary.reversal.scale = linear_ramp(self.progress, *ADVERSARY_RAMP)
        # Decoding takes most of the time: one of the two subsets of each cell suffices.
        n_decoded = None if batch.counts is None else len(batch.counts)
        output = self.model.forward_matrix(
            batch.values, batch.batch_ids, heads=self.heads, n_decoded=n_decoded
        )
        losses = {one.name: one(output, batch) for one in self.objectives}
        return {**losses, "loss": total(losses, self.objectives)}
