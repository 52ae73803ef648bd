"""What networks of sequences are trained on: labels, numbers, tokens, hidden or next tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba.stream.sequences import SequenceOutput, SequenceTrainBatch
from scmamba.tokens.sequence_masking import IGNORED


@dataclass(frozen=True)
class MultiLabel:
    """Binary cross-entropy of each label, averaged."""

    weight: float = 1.0
    name: ClassVar[str] = "labels"
    head: ClassVar[str] = "class"

    def __call__(self, output: SequenceOutput, batch: SequenceTrainBatch) -> Tensor:
        assert batch.target is not None
        return F.binary_cross_entropy_with_logits(output.logits, batch.target)


@dataclass(frozen=True)
class SquaredError:
    """Mean squared error of numbers, which should be brought to variance 1 beforehand."""

    weight: float = 1.0
    name: ClassVar[str] = "mse"
    head: ClassVar[str] = "class"

    def __call__(self, output: SequenceOutput, batch: SequenceTrainBatch) -> Tensor:
        assert batch.target is not None
        return F.mse_loss(output.logits, batch.target)


@dataclass(frozen=True)
class TokenClasses:
    """Cross-entropy of every token whose class is known; of masked tokens, what they were.

    Parameters
    ----------
    weight
        Factor in the total loss.
    head
        ``"class"``, or ``"language"`` for the language-model head.
    """

    weight: float = 1.0
    head: str = "class"
    name: ClassVar[str] = "tokens"

    def __call__(self, output: SequenceOutput, batch: SequenceTrainBatch) -> Tensor:
        assert batch.target is not None
        return _cross_entropy(output.logits, batch.target)


@dataclass(frozen=True)
class NextToken:
    """Cross-entropy of each token after those before it.

    Parameters
    ----------
    predictable
        Ids that count; others (special tokens, N) are read and not predicted.
    weight
        Factor in the total loss.
    """

    predictable: tuple[int, ...]
    weight: float = 1.0
    name: ClassVar[str] = "next"
    head: ClassVar[str] = "language"

    def __call__(self, output: SequenceOutput, batch: SequenceTrainBatch) -> Tensor:
        following = batch.input_ids[:, 1:]
        counts = torch.isin(following, following.new_tensor(self.predictable))
        if batch.padding_mask is not None:
            counts &= ~batch.padding_mask[:, 1:]
        return _cross_entropy(output.logits[:, :-1], following.where(counts, IGNORED))


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over the tokens (B, L) that are not ignored; 0 where all are."""
    losses = F.cross_entropy(
        logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return losses / (target != IGNORED).sum().clamp(min=1)
