"""Classes of tokens, such as what hidden ones were (``tokens``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from scmamba.stream.sequences import SequenceOutput, SequenceTrainBatch
from scmamba.tokens.nucleotides.masking import IGNORED


@dataclass(frozen=True)
class TokenClasses:
    """Cross-entropy of every token whose class is known; of hidden tokens, what they were.

    Parameters
    ----------
    weight
        Factor in the total loss.
    head
        ``"class"``, or ``"language"`` for the language-model head.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import TokenClasses
    >>> output = SimpleNamespace(logits=torch.zeros(1, 3, 4))  # a sequence, tokens, classes
    >>> batch = SimpleNamespace(target=torch.tensor([[0, 1, -100]]))  # -100: not known
    >>> round(TokenClasses()(output, batch).item(), 3)
    1.386
    """

    weight: float = 1.0
    head: str = "class"
    name: ClassVar[str] = "tokens"

    def __call__(self, output: SequenceOutput, batch: SequenceTrainBatch) -> Tensor:
        """Mean over the tokens with a class."""
        assert batch.target is not None
        return token_cross_entropy(output.logits, batch.target)


def token_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over the tokens (B, L) whose target is not ignored; 0 where all are."""
    losses = F.cross_entropy(
        logits.flatten(0, 1), target.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return losses / (target != IGNORED).sum().clamp(min=1)
