"""Reverse-complement equivariance (Caduceus-PS): half of the channels see the other strand.

The hidden state (B, L, 2D) of the published layout holds a strand in its first D channels and, in
the second D, its reverse complement with channels and positions flipped back. Unflipped and stacked
along the batch, :func:`strands`, both are plain sequences of one network: the reverse complement of
the input only exchanges them (Schiff et al., "Caduceus", 2024, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError


def strands(hidden: Tensor) -> Tensor:
    """(B, L, 2D) to (2B, L, D): the strand, then its reverse complement, both from 5' to 3'."""
    strand, other = hidden.chunk(2, -1)
    return torch.cat([strand, reverse(other)])


def merge(stacked: Tensor) -> Tensor:
    """(2B, L, D) of :func:`strands` back to (B, L, 2D)."""
    strand, other = stacked.chunk(2)
    return torch.cat([strand, reverse(other)], -1)


def reverse(hidden: Tensor) -> Tensor:
    """Positions and channels of (..., L, D) flipped: the hidden state of the reverse complement."""
    return hidden.flip(-2, -1)


def exchange(stacked: Tensor) -> Tensor:
    """(2B, L, D) of :func:`strands` with the two channel halves of (B, L, 2D) exchanged.

    The released PS models (``fused_add_norm: true``) do this in the add-norm of every layer but the
    final one, to the hidden state and to the residual.
    """
    return stacked.unflatten(0, (2, -1)).flip(0, 2, 3).flatten(0, 1)


class ReverseComplementEmbedding(nn.Module):
    """Embeddings (B, L, 2D) of tokens and of their complements, the latter's channels flipped.

    Parameters
    ----------
    vocab_size
        Number of ids.
    d_model
        Channels a strand, D.
    complement
        (vocab_size,) id of each id's complement.
    """

    complement_map: Tensor

    def __init__(self, vocab_size: int, d_model: int, complement: Sequence[int] | Tensor) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, d_model)
        self.register_buffer("complement_map", _checked(complement, vocab_size))

    def forward(self, input_ids: Tensor) -> Tensor:
        """Embed ``input_ids`` (B, L)."""
        other = self.embedding(self.complement_map[input_ids])
        return torch.cat([self.embedding(input_ids), other.flip(-1)], -1)


class ReverseComplementHead(nn.Module):
    """Logits from both strands: a token's from the first half, its complement's from the second.

    Parameters
    ----------
    vocab_size, d_model, complement
        As in :class:`ReverseComplementEmbedding`, whose weight may be tied to ``weight``.
    """

    complement_map: Tensor

    def __init__(self, vocab_size: int, d_model: int, complement: Sequence[int] | Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab_size, d_model))
        nn.init.normal_(self.weight, std=0.02)
        self.register_buffer("complement_map", _checked(complement, vocab_size))

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits (B, L, vocab_size) of ``hidden`` (B, L, 2D)."""
        strand, other = hidden.chunk(2, -1)
        own = F.linear(strand, self.weight)
        return own + F.linear(other.flip(-1), self.weight[self.complement_map])


def _checked(complement: Sequence[int] | Tensor, vocab_size: int) -> Tensor:
    pairs = [int(i) for i in complement]
    ids = list(range(vocab_size))
    if sorted(pairs) != ids or [pairs[i] for i in pairs] != ids:
        raise ScmambaError(
            f"complement {pairs} does not pair the {vocab_size} ids; every id must be the "
            "complement of its complement"
        )
    return torch.tensor(pairs, device="cpu")  # also where a model is made on the meta device
