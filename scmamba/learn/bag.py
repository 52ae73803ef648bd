"""A bag of genes trained on a matrix of cells by genes: large batches and no tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import sparse

from scmamba.learn.matrix_trainer import MatrixTrainer
from scmamba.models import CellModel
from scmamba.train.budget import TimeBudget
from scmamba.train.config import FitConfig
from scmamba.train.objectives import CLS
from scmamba.train.result import FitResult

_LEAST_STEPS = 8
"""Steps of an epoch, as far as there are two cells for each: few cells share smaller batches."""
_BLOCK = 2048
"""Cells whose values are dense at once where nothing is learned."""


@dataclass(frozen=True)
class LabeledMatrix:
    """Labeled cells as a matrix.

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

    def take(self, rows: npt.NDArray[np.int64]) -> LabeledMatrix:
        """Return the cells ``rows`` alone, in that order."""
        return LabeledMatrix(self.values[rows], self.codes[rows])


def fit_bag(
    model: CellModel,
    cells: LabeledMatrix,
    objective: CLS,
    config: FitConfig,
    *,
    held: LabeledMatrix | None = None,
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
    return _BagTrainer(model, cells, objective, config, held, budget).fit(text)


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


class _BagTrainer(MatrixTrainer[CellModel, LabeledMatrix]):
    """Learns classes; see :func:`fit_bag`."""

    def __init__(
        self,
        model: CellModel,
        cells: LabeledMatrix,
        objective: CLS,
        config: FitConfig,
        held: LabeledMatrix | None,
        budget: TimeBudget | None,
    ) -> None:
        super().__init__(
            model, config, len(cells), least=2, least_steps=_LEAST_STEPS, budget=budget
        )
        self.cells, self.held, self.objective = cells, held, objective
        self.keep = round(256 * (1 - config.mask_ratio))  # of 256: random bytes are cheap
        self.weights = torch.tensor(objective.class_weights, device=self.device)
        self.rng = np.random.default_rng(config.seed)

    def batches(self) -> Iterator[LabeledMatrix]:
        """Batches in which some values are hidden and the others scaled up."""
        shuffled = self.cells.take(self.rng.permutation(len(self.cells)))
        values = shuffled.values
        kept = self.rng.integers(0, 256, values.nnz, dtype=np.uint8) < self.keep
        values.data = values.data * (kept * np.float32(256 / self.keep))
        for start in range(0, self.steps_per_epoch * self.size, self.size):
            rows = slice(start, start + self.size)
            yield LabeledMatrix(values[rows], shuffled.codes[rows])

    def losses(self, batch: LabeledMatrix) -> dict[str, torch.Tensor]:
        """Cross-entropy of the classes."""
        return {"loss": self._loss(*self._logits(self.model, batch))}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Loss and accuracy of the averaged weights on held-out cells."""
        if (held := self.held) is None:
            return {}
        self.averaged.eval()
        loss = correct = 0.0
        for start in range(0, len(held), _BLOCK):
            block = held.take(np.arange(start, min(start + _BLOCK, len(held))))
            logits, codes = self._logits(self.averaged, block)
            loss += self._loss(logits, codes).item() * len(block)
            correct += int((logits.argmax(1) == codes).sum())
        return {"val_loss": loss / len(held), "val_accuracy": correct / len(held)}

    def _logits(self, model: CellModel, batch: LabeledMatrix) -> tuple[torch.Tensor, torch.Tensor]:
        """Class logits and classes of a batch."""
        values = torch.from_numpy(batch.values.toarray()).to(self.device)
        logits = model.forward_matrix(values).class_logits
        assert logits is not None
        return logits, torch.from_numpy(batch.codes).to(self.device)

    def _loss(self, logits: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        smoothing = self.objective.label_smoothing
        return F.cross_entropy(logits, codes, self.weights, label_smoothing=smoothing)
