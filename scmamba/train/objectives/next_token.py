"""Causal language modeling (``next``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scmamba.stream.sequences import SequenceOutput, SequenceTrainBatch
from scmamba.tokens.nucleotides.masking import IGNORED
from scmamba.train.objectives.tokens import token_cross_entropy


@dataclass(frozen=True)
class NextToken:
    """Cross-entropy of each token, given those before it.

    Parameters
    ----------
    predictable
        Ids that count; others (special tokens, N) are read and not predicted.
    weight
        Factor in the total loss.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import NextToken
    >>> output = SimpleNamespace(logits=torch.zeros(1, 3, 4))
    >>> batch = SimpleNamespace(input_ids=torch.tensor([[0, 1, 2]]), padding_mask=None)
    >>> round(NextToken(predictable=(0, 1, 2, 3))(output, batch).item(), 3)
    1.386
    """

    predictable: tuple[int, ...]
    weight: float = 1.0
    name: ClassVar[str] = "next"
    head: ClassVar[str] = "language"

    def __call__(self, output: SequenceOutput, batch: SequenceTrainBatch) -> Tensor:
        """Mean over the tokens that count."""
        following = batch.input_ids[:, 1:]
        counts = torch.isin(following, following.new_tensor(self.predictable))
        if batch.padding_mask is not None:
            counts &= ~batch.padding_mask[:, 1:]
        return token_cross_entropy(output.logits[:, :-1], following.where(counts, IGNORED))
