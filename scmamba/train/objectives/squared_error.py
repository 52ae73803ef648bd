"""Numbers of a sequence (``mse``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from scmamba.stream.sequences import SequenceOutput, SequenceTrainBatch


@dataclass(frozen=True)
class SquaredError:
    """Mean squared error of numbers, which should be scaled to variance 1 beforehand.

    Parameters
    ----------
    weight
        Factor in the total loss.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import SquaredError
    >>> output = SimpleNamespace(logits=torch.zeros(2, 1))
    >>> SquaredError()(output, SimpleNamespace(target=torch.full((2, 1), 3.0))).item()
    9.0
    """

    weight: float = 1.0
    name: ClassVar[str] = "mse"
    head: ClassVar[str] = "class"

    def __call__(self, output: SequenceOutput, batch: SequenceTrainBatch) -> Tensor:
        """Mean over sequences and numbers."""
        assert batch.target is not None
        return F.mse_loss(output.logits, batch.target)
