"""Masked gene expression: hidden values predicted from the tokens (``gep``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scmamba.models import CellOutput
from scmamba.nn.losses import masked_cell_losses, masked_mse, zero_inflated_mse
from scmamba.stream.cells import CellTrainBatch


@dataclass(frozen=True)
class GEP:
    """Squared error of hidden expression values, predicted from the hidden states of their tokens.

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
    >>> from scmamba.train import GEP
    >>> output = SimpleNamespace(expression=torch.tensor([[1.0, 2.0]]), expression_zero_prob=None)
    >>> batch = SimpleNamespace(
    ...     target=torch.tensor([[1.0, 4.0]]), masked=torch.tensor([[False, True]])
    ... )
    >>> GEP()(output, batch).item()
    4.0
    """

    weight: float = 1.0
    per_cell: bool = False
    name: ClassVar[str] = "gep"
    head: ClassVar[str] = "expression"

    def __call__(self, output: CellOutput, batch: CellTrainBatch) -> Tensor:
        """Mean over the hidden values; with zero probabilities, a zero-inflated likelihood."""
        predicted, zero_prob = output.expression, output.expression_zero_prob
        return expression_loss(predicted, zero_prob, batch, per_cell=self.per_cell)


def expression_loss(
    prediction: Tensor | None,
    zero_prob: Tensor | None,
    batch: CellTrainBatch,
    *,
    per_cell: bool = False,
) -> Tensor:
    """Loss of predicted values (B, L) where the batch hides them, or the mean of the cells'."""
    assert prediction is not None
    if per_cell:
        parts = masked_cell_losses(prediction, zero_prob, batch.target, batch.masked)
        return parts.mean()
    if zero_prob is None:
        return masked_mse(prediction, batch.target, batch.masked)
    return zero_inflated_mse(prediction, zero_prob, batch.target, batch.masked)
