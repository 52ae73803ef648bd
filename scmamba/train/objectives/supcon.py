"""Supervised contrastive loss of labeled cells (``supcon``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scmamba.models import CellOutput
from scmamba.nn.losses import contrastive_loss
from scmamba.stream.cells import CellTrainBatch


@dataclass(frozen=True)
class SupCon:
    """Labeled cells find those of their label among all labeled cells, whatever their batch.

    Parameters
    ----------
    weight
        Factor in the total loss.
    temperature
        Divisor of the cosine similarities, above 0.

    Notes
    -----
    Khosla et al., Supervised Contrastive Learning, NeurIPS 2020.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import SupCon
    >>> output = SimpleNamespace(cell_embedding=torch.eye(2).repeat(2, 1))
    >>> batch = SimpleNamespace(labels=torch.tensor([0, 1, 0, 1]))
    >>> SupCon(temperature=0.2)(output, batch).item() < 0.1  # cells of a label agree
    True
    """

    weight: float = 1.0
    temperature: float = 0.2
    name: ClassVar[str] = "supcon"
    head: ClassVar[str] = ""

    def __call__(self, output: CellOutput, batch: CellTrainBatch) -> Tensor:
        """Mean over the cells with a label."""
        assert batch.labels is not None
        known = batch.labels >= 0
        cells, labels = output.cell_embedding[known], batch.labels[known]
        return contrastive_loss(cells, labels, temperature=self.temperature)
