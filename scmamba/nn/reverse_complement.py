"""Reverse-complement equivariance (Caduceus-PS): half of the channels see the other strand.

The hidden state (B, L, 2D) of the published layout holds a strand in its first D channels and, in
the other D, its reverse complement with channels and positions flipped back. :func:`strands` undoes
the flip and stacks both along the batch, as plain sequences of one network: the reverse complement
of the input only exchanges them (Schiff et al., "Caduceus", 2024, section 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError


def strands(hidden: Tensor) -> Tensor:
    """Stack both strands along the batch.

    Parameters
    ----------
    hidden
        (B, L, 2D).

    Returns
    -------
    Tensor
        (2B, L, D): the strands, then their reverse complements, all from 5' to 3'.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.reverse_complement import merge, strands
    >>> hidden = torch.randn(2, 5, 8)
    >>> strands(hidden).shape
    torch.Size([4, 5, 4])
    >>> torch.equal(merge(strands(hidden)), hidden)
    True
    """
    strand, other = hidden.chunk(2, -1)
    return torch.cat([strand, reverse(other)])


def merge(stacked: Tensor) -> Tensor:
    """Undo :func:`strands`: (2B, L, D) to (B, L, 2D)."""
    strand, other = stacked.chunk(2)
    return torch.cat([strand, reverse(other)], -1)


def reverse(hidden: Tensor) -> Tensor:
    """Flip positions and channels of (..., L, D): the hidden state of the reverse complement.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.reverse_complement import reverse
    >>> reverse(torch.tensor([[1, 2], [3, 4]]))
    tensor([[4, 3],
            [2, 1]])
    """
    return hidden.flip(-2, -1)


def exchange(stacked: Tensor) -> Tensor:
    """Exchange the two channel halves of (B, L, 2D), given as (2B, L, D) of :func:`strands`.

    The released PS models (``fused_add_norm: true``) do this in the add-norm of every layer but the
    final one, to the hidden state and to the residual.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.reverse_complement import exchange, merge, strands
    >>> hidden = torch.tensor([[[1, 2, 3, 4]]])
    >>> merge(exchange(strands(hidden)))
    tensor([[[3, 4, 1, 2]]])
    """
    return stacked.unflatten(0, (2, -1)).flip(0, 2, 3).flatten(0, 1)


class ReverseComplementEmbedding(nn.Module):
    """Embeddings (B, L, 2D) of tokens and of their complements, the latter with flipped channels.

    Parameters
    ----------
    vocab_size
        Number of ids.
    d_model
        Channels per strand, D.
    complement
        (vocab_size,) complement of each id.

    Raises
    ------
    ScmambaError
        ``complement`` does not pair the ids.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.reverse_complement import ReverseComplementEmbedding
    >>> embed = ReverseComplementEmbedding(4, d_model=8, complement=[3, 2, 1, 0])  # A C G T
    >>> embed(torch.tensor([[0, 1, 3]])).shape
    torch.Size([1, 3, 16])
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
    """Logits from both strands: of tokens from the first half, of complements from the second.

    Parameters
    ----------
    vocab_size, d_model, complement
        As in :class:`ReverseComplementEmbedding`, whose weight may be tied to ``weight``.

    Raises
    ------
    ScmambaError
        ``complement`` does not pair the ids.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.reverse_complement import ReverseComplementHead
    >>> head = ReverseComplementHead(4, d_model=8, complement=[3, 2, 1, 0])
    >>> head(torch.randn(1, 3, 16)).shape
    torch.Size([1, 3, 4])
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
