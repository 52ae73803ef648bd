"""Several labels per sequence (``labels``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from scmamba.stream.sequences import SequenceOutput, SequenceTrainBatch


@dataclass(frozen=True)
class MultiLabel:
    """Binary cross-entropy, averaged over labels.

    Parameters
    ----------
    weight
        Factor in the total loss.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import MultiLabel
    >>> output = SimpleNamespace(logits=torch.zeros(2, 3))
    >>> round(MultiLabel()(output, SimpleNamespace(target=torch.ones(2, 3))).item(), 3)
    0.693
    """

    weight: float = 1.0
    name: ClassVar[str] = "labels"
    head: ClassVar[str] = "class"

    def __call__(self, output: SequenceOutput, batch: SequenceTrainBatch) -> Tensor:
        """Mean over sequences and labels."""
        assert batch.target is not None
        return F.binary_cross_entropy_with_logits(output.logits, batch.target)
