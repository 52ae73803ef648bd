"""Masked gene expression: hidden values predicted from the cell embedding (``mvc``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scmamba.models import CellOutput
from scmamba.stream.cells import CellTrainBatch
from scmamba.train.objectives.gep import expression_loss


@dataclass(frozen=True)
class MVC:
    """Squared error of hidden expression values, predicted from the cell embedding alone.

    Parameters
    ----------
    weight
        Factor in the total loss.
    per_cell
        Whether all cells have the same weight, however many of their values are hidden.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import MVC
    >>> output = SimpleNamespace(mvc_expression=torch.tensor([[1.0, 2.0]]), mvc_zero_prob=None)
    >>> batch = SimpleNamespace(
    ...     target=torch.tensor([[1.0, 4.0]]), masked=torch.tensor([[False, True]])
    ... )
    >>> MVC()(output, batch).item()
    4.0
    """

    weight: float = 1.0
    per_cell: bool = False
    name: ClassVar[str] = "mvc"
    head: ClassVar[str] = "mvc"

    def __call__(self, output: CellOutput, batch: CellTrainBatch) -> Tensor:
        """Mean over the hidden values; with zero probabilities, a zero-inflated likelihood."""
        predicted, zero_prob = output.mvc_expression, output.mvc_zero_prob
        return expression_loss(predicted, zero_prob, batch, per_cell=self.per_cell)
