"""Training of a bag of genes on a matrix of cells by genes: no tokens, large batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy import sparse
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from scmamba._errors import ScmambaError
from scmamba._progress import progress_bar
from scmamba.learn.parallel import one_thread
from scmamba.models import CellModel
from scmamba.nn.heads import BatchDiscriminator
from scmamba.stream import CellData, GeneSubsets
from scmamba.train import Objective, TrainConfig
from scmamba.train.budget import Cut, Pace, TimeBudget
from scmamba.train.objectives import total
from scmamba.train.optim import lr_factor, moving_average
from scmamba.train.result import FitResult

_LEAST_STEPS = 4
"""Steps of an epoch, as far as there are 16 cells for each: few cells share smaller batches."""
_LEAST_CELLS = 16
_RAMP = (0.1, 0.5)
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
        (B, n_counts) counts of the whole cell, or None.
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
    size = min(config.batch_size, max(len(rows) // _LEAST_STEPS, _LEAST_CELLS))
    pace = Pace(config.epochs * max(len(rows) // size, 1), budget)
    trainer = _Trainer(model, objectives, config, pace)
    cells = MatrixBatches(matrix_of(data), counts, data, subsets.keep_prob, trainer.device)
    rng = np.random.default_rng(config.seed)
    history = []
    with progress_bar(text, pace.planned, delay=1) as bar, one_thread(), torch.random.fork_rng():
        torch.manual_seed(config.seed)
        for epoch in range(1, config.epochs + 1):
            losses = []
            for batch in cells.epoch(rows, size, rng):
                losses.append(trainer.step(batch))
                bar.update()
                if pace.over(trainer.n_steps):
                    break
            history.append({"epoch": epoch, **pd.DataFrame(losses).mean().add_prefix("train_")})
            if pace.over(trainer.n_steps):
                break
    trainer.keep_average()
    curve = pd.DataFrame(history).set_index("epoch")
    if trainer.n_steps == pace.planned:
        return FitResult(curve, config.epochs)
    done = config.epochs * trainer.n_steps / pace.planned
    return FitResult(curve, len(history), (Cut("epochs", done, config.epochs, text),))


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
            once = torch.from_numpy(self.counts[rows].toarray()).float()
            counts = once.to(self.device).repeat(2, 1)
        ids, labels = self.data.batch_ids, self.data.labels
        assert ids is not None
        return MatrixBatch(
            rows=torch.from_numpy(twice).to(self.device),
            values=torch.from_numpy(np.concatenate(subsets)).to(self.device),
            counts=counts,
            labels=None if labels is None else torch.from_numpy(labels[twice]).to(self.device),
            batch_ids=torch.from_numpy(ids[twice]).to(self.device),
        )


class _Trainer:
    """The model, its optimizer and its averaged weights."""

    def __init__(
        self,
        model: CellModel,
        objectives: Sequence[Objective[Any, Any]],
        config: TrainConfig,
        pace: Pace,
    ) -> None:
        self.model, self.objectives, self.config, self.pace = model, objectives, config, pace
        self.device = next(model.parameters()).device
        self.heads = {one.head for one in objectives if one.head}
        average = moving_average(config.ema)
        self.averaged = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
        self.adversary = model.head(BatchDiscriminator)
        away = set(map(id, self.adversary.parameters())) if self.adversary else set()
        mine = [p for p in model.parameters() if id(p) not in away]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in mine if p.ndim > 1]},
            {"params": [p for p in mine if p.ndim <= 1], "weight_decay": 0.0},
        ]
        if self.adversary is not None:
            # Its rate stays: an adversary that slows down with the rest would be fooled for free.
            rate = config.adversary_lr or config.lr
            rival = list(self.adversary.parameters())
            groups.append({"params": rival, "lr": rate, "weight_decay": 0.0})
        self.optimizer = torch.optim.AdamW(
            groups, lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.n_steps = 0

    def step(self, batch: MatrixBatch) -> dict[str, float]:
        """Learn from one batch; return its losses."""
        self.model.train()
        rate = self.config.lr * lr_factor(self.n_steps, self.pace, self.config)
        for group in self.optimizer.param_groups[:2]:
            group["lr"] = rate
        if self.adversary is not None:
            first, full = _RAMP
            progress = self.pace.progress(self.n_steps)
            self.adversary.reversal.scale = min(max((progress - first) / (full - first), 0.0), 1.0)
        output = self.model.forward_matrix(batch.values, batch.batch_ids, heads=self.heads)
        losses = {one.name: one(output, batch) for one in self.objectives}
        loss = total(losses, self.objectives)
        found = {name: value.item() for name, value in {**losses, "loss": loss}.items()}
        if not np.isfinite(found["loss"]):
            raise ScmambaError(
                f"the loss is no longer a finite number (step {self.n_steps + 1}); lower the "
                f"learning rate ({self.config.lr:g})"
            )
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.averaged.update_parameters(self.model)
        self.n_steps += 1
        self.pace.update(self.n_steps)
        return found

    def keep_average(self) -> None:
        """Give the model the averaged weights."""
        self.model.load_state_dict(self.averaged.module.state_dict())
        self.model.eval()
