"""Masked gene expression: hidden values predicted from the tokens (``gep``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scmamba.models import CellOutput
from scmamba.nn.losses import masked_mse, zero_inflated_mse
from scmamba.stream.cells import CellTrainBatch


@dataclass(frozen=True)
class GEP:
    """Squared error of hidden expression values, predicted from the hidden states of their tokens.

    Parameters
    ----------
    weight
        Factor in the total loss.

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
    name: ClassVar[str] = "gep"
    head: ClassVar[str] = "expression"

    def __call__(self, output: CellOutput, batch: CellTrainBatch) -> Tensor:
        """Mean over the hidden values; with zero probabilities, a zero-inflated likelihood."""
        return expression_loss(output.expression, output.expression_zero_prob, batch)


def expression_loss(
    prediction: Tensor | None, zero_prob: Tensor | None, batch: CellTrainBatch
) -> Tensor:
    """Loss of predicted values (B, L) where the batch hides them."""
    assert prediction is not None
    if zero_prob is None:
        return masked_mse(prediction, batch.target, batch.masked)
    return zero_inflated_mse(prediction, zero_prob, batch.target, batch.masked)
