"""Elastic cell similarity (``ecs``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scmamba.models import CellOutput
from scmamba.nn.losses import ecs_loss
from scmamba.stream.cells import CellTrainBatch


@dataclass(frozen=True)
class ECS:
    """Pulls similar cells of a batch together and the others apart.

    Parameters
    ----------
    weight
        Factor in the total loss.
    threshold
        Cosine similarities above it are pulled to 1, those below to 0; in [0, 1].

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import ECS
    >>> output = SimpleNamespace(cell_embedding=torch.eye(3))
    >>> loss = ECS(threshold=0.3)(output, None)
    >>> loss.shape
    torch.Size([])
    """

    weight: float = 1.0
    threshold: float = 0.3
    name: ClassVar[str] = "ecs"
    head: ClassVar[str] = ""

    def __call__(self, output: CellOutput, batch: CellTrainBatch) -> Tensor:
        """Mean over the pairs of cells."""
        return ecs_loss(output.cell_embedding, self.threshold)
