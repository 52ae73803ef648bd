"""A bag of genes trained on a matrix of cells by genes: large batches and no tokens."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import torch.nn.functional as F
from scipy import sparse

from scmamba._progress import progress_bar
from scmamba.learn.parallel import one_thread
from scmamba.models import CellModel
from scmamba.train.budget import Cut, Pace, TimeBudget
from scmamba.train.config import FitConfig
from scmamba.train.objectives import CLS
from scmamba.train.optim import lr_factor, moving_average
from scmamba.train.result import FitResult

_LEAST_STEPS = 8
"""Steps of an epoch, as far as there are two cells for each: few cells share smaller batches."""
_BLOCK = 2048
"""Cells whose values are dense at once where nothing is learned."""


@dataclass(frozen=True)
class LabelledMatrix:
    """Labelled cells as a matrix.

    Attributes
    ----------
    values
        (n, n_genes) log-normalized values.
    codes
        (n,) class of each cell.
    """

    values: sparse.csr_matrix
    codes: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Return how many cells there are."""
        return len(self.codes)

    def take(self, rows: npt.NDArray[np.int64]) -> LabelledMatrix:
        """Return the cells ``rows`` alone, in that order."""
        return LabelledMatrix(self.values[rows], self.codes[rows])


def fit_bag(
    model: CellModel,
    cells: LabelledMatrix,
    objective: CLS,
    config: FitConfig,
    *,
    held: LabelledMatrix | None = None,
    text: str = "Training",
    budget: TimeBudget | None = None,
) -> FitResult:
    """Train a bag of genes on labels, in place; the averaged weights of the last step are kept.

    In each step every expressed gene of a cell is hidden with probability ``config.mask_ratio``
    and the others are scaled up, so that no class hangs on a few genes.

    Parameters
    ----------
    model
        A model whose configuration ``is_bag``; its first genes are the columns of ``cells``.
    cells
        Cells to learn from, at least two.
    objective
        Weights of the classes, and label smoothing.
    config
        Epochs, rates, sizes, seed.
    held
        Cells whose loss and accuracy are written to the history after each epoch, or None. They
        choose nothing.
    text
        Title of the progress bar.
    budget
        Time that is left; None: no limit.
    """
    size = min(config.batch_size, max(len(cells) // _LEAST_STEPS, 2))
    pace = Pace(config.epochs * max(len(cells) // size, 1), budget or TimeBudget())
    trainer = _Trainer(model, objective, config, pace)
    rng = np.random.default_rng(config.seed)
    bar = progress_bar(text, pace.planned, delay=1)
    rows: list[dict[str, float]] = []
    with bar, one_thread(), torch.random.fork_rng():
        torch.manual_seed(config.seed)
        for epoch in range(1, config.epochs + 1):
            losses = []
            for batch in _batches(cells, size, config.mask_ratio, rng):
                losses.append(trainer.step(batch))
                bar.update()
                if pace.over(trainer.n_steps):
                    break
            row = {"epoch": epoch, "train_loss": float(np.mean(losses))}
            rows.append(row if held is None else row | trainer.evaluate(held))
            if pace.over(trainer.n_steps):
                break
    trainer.keep_average()
    history = pd.DataFrame(rows).set_index("epoch")
    if trainer.n_steps == pace.planned:
        return FitResult(history, config.epochs)
    done = config.epochs * trainer.n_steps / pace.planned
    return FitResult(history, len(rows), (Cut("epochs", done, config.epochs, text),))


def outputs_of_matrix(
    model: CellModel, values: sparse.csr_matrix
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Embeddings (n, D) and class logits (n, n_classes) by a bag of genes, block by block."""
    model.eval()
    device = next(model.parameters()).device
    embedding = np.zeros((values.shape[0], model.config.d_cell), np.float32)
    logits = np.zeros((values.shape[0], model.config.n_classes), np.float64)
    with torch.inference_mode():
        for start in range(0, values.shape[0], _BLOCK):
            rows = slice(start, start + _BLOCK)
            out = model.forward_matrix(torch.from_numpy(values[rows].toarray()).to(device))
            embedding[rows] = out.cell_embedding.cpu().numpy()
            if out.class_logits is not None:
                logits[rows] = out.class_logits.cpu().numpy()
    return embedding, logits


class _Trainer:
    """The model, its optimizer and its averaged weights."""

    def __init__(self, model: CellModel, objective: CLS, config: FitConfig, pace: Pace) -> None:
        self.model, self.objective, self.config, self.pace = model, objective, config, pace
        self.device = next(model.parameters()).device
        self.weights = torch.tensor(objective.class_weights, device=self.device)
        self.averaged = copy.deepcopy(model)
        self.average = moving_average(config.ema, ramp=config.ema_ramp)
        self.states = (_floats(self.averaged), _floats(model))
        matrices = [p for p in model.parameters() if p.ndim > 1]
        vectors = [p for p in model.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": matrices},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups, lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.n_steps = 0

    def step(self, batch: LabelledMatrix) -> float:
        """Learn from one batch; return its loss."""
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * lr_factor(self.n_steps, self.pace, self.config)
        logits, codes = self._logits(self.model, batch)
        loss = self._loss(logits, codes)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        self.average(*self.states, self.n_steps)
        self.n_steps += 1
        self.pace.update(self.n_steps)
        return loss.item()

    @torch.no_grad()
    def evaluate(self, held: LabelledMatrix) -> dict[str, float]:
        """Loss and accuracy of the averaged weights."""
        self.averaged.eval()
        loss = correct = 0.0
        for start in range(0, len(held), _BLOCK):
            block = held.take(np.arange(start, min(start + _BLOCK, len(held))))
            logits, codes = self._logits(self.averaged, block)
            loss += self._loss(logits, codes).item() * len(block)
            correct += int((logits.argmax(1) == codes).sum())
        return {"val_loss": loss / len(held), "val_accuracy": correct / len(held)}

    def keep_average(self) -> None:
        """Give the model the averaged weights."""
        self.model.load_state_dict(self.averaged.state_dict())
        self.model.eval()

    def _logits(self, model: CellModel, batch: LabelledMatrix) -> tuple[torch.Tensor, torch.Tensor]:
        """Class logits and classes of a batch."""
        values = torch.from_numpy(batch.values.toarray()).to(self.device)
        logits = model.forward_matrix(values).class_logits
        assert logits is not None
        return logits, torch.from_numpy(batch.codes).to(self.device)

    def _loss(self, logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        smoothing = self.objective.label_smoothing
        return F.cross_entropy(logits, codes, self.weights, label_smoothing=smoothing)


def _floats(model: CellModel) -> list[torch.Tensor]:
    """Weights and statistics of norms, which share memory with the model."""
    return [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]


def _batches(
    cells: LabelledMatrix, size: int, hidden: float, rng: np.random.Generator
) -> Iterator[LabelledMatrix]:
    """One pass in random order, in whole batches; some values are hidden, the others scaled up."""
    shuffled = cells.take(rng.permutation(len(cells)))
    values = shuffled.values
    keep = round(256 * (1 - hidden))  # of 256: random bytes are cheap
    kept = rng.integers(0, 256, values.nnz, dtype=np.uint8) < keep
    values.data = values.data * (kept * np.float32(256 / keep))
    for start in range(0, max(len(cells) // size, 1) * size, size):
        rows = slice(start, start + size)
        yield LabelledMatrix(values[rows], shuffled.codes[rows])
