"""Contrastive loss of gene subsets of the same cell (``contrast``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scmamba.models import CellOutput
from scmamba.nn.losses import contrastive_loss
from scmamba.stream.cells import CellTrainBatch


@dataclass(frozen=True)
class Contrast:
    """Two random gene subsets of a cell find each other among cells of the same batch, or all.

    Parameters
    ----------
    weight
        Factor in the total loss.
    temperature
        Divisor of the cosine similarities, above 0.
    within_batches
        Whether a cell is told apart from cells of its own batch alone.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import Contrast
    >>> output = SimpleNamespace(cell_embedding=torch.eye(2).repeat(2, 1))
    >>> batch = SimpleNamespace(rows=torch.tensor([0, 1, 0, 1]), batch_ids=None)
    >>> Contrast(temperature=0.2)(output, batch).item() < 0.1  # subsets of a cell agree
    True
    """

    weight: float = 1.0
    temperature: float = 0.2
    within_batches: bool = True
    name: ClassVar[str] = "contrast"
    head: ClassVar[str] = ""

    def __call__(self, output: CellOutput, batch: CellTrainBatch) -> Tensor:
        """Mean over the gene subsets."""
        batch_ids = batch.batch_ids if self.within_batches else None
        return contrastive_loss(output.cell_embedding, batch.rows, batch_ids, self.temperature)
