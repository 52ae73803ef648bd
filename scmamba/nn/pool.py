"""Pooling: hidden states of tokens to one embedding per cell; padding has no effect.

Every pool is called with (hidden (B, L, D), gene_ids (B, L), padding_mask (B, L) or None).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ClsPool(nn.Module):
    """The hidden state of the first token, ``<cls>``.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.pool import ClsPool
    >>> ClsPool()(torch.randn(2, 5, 8), torch.zeros(2, 5, dtype=int), None).shape
    torch.Size([2, 8])
    """

    def forward(self, hidden: Tensor, gene_ids: Tensor, padding_mask: Tensor | None) -> Tensor:
        """Pool ``hidden`` (B, L, D) to cell embeddings (B, D)."""
        return hidden[:, 0]


class MeanPool(nn.Module):
    """The mean over unpadded tokens; zero where there are none.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.pool import MeanPool
    >>> hidden, padded = torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[False, False, True]])
    >>> MeanPool()(hidden, torch.zeros(1, 3, dtype=int), padded)
    tensor([[2.]])
    """

    def forward(self, hidden: Tensor, gene_ids: Tensor, padding_mask: Tensor | None) -> Tensor:
        """Pool ``hidden`` (B, L, D) to cell embeddings (B, D)."""
        return masked_mean(hidden, padding_mask)


def masked_mean(hidden: Tensor, padding_mask: Tensor | None) -> Tensor:
    """Mean over the unpadded positions.

    Parameters
    ----------
    hidden
        (B, L, D).
    padding_mask
        (B, L), True where padded; None: no padding.

    Returns
    -------
    Tensor
        (B, D); 0 in rows without an unpadded position.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.pool import masked_mean
    >>> masked_mean(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[False, False, True]]))
    tensor([[2.]])
    """
    if padding_mask is None:
        return hidden.mean(1)
    count = (~padding_mask).sum(1, keepdim=True).clamp(min=1)
    return _unpadded(hidden, padding_mask).sum(1) / count


class SumPool(nn.Module):
    """The sum over unpadded tokens."""

    def forward(self, hidden: Tensor, gene_ids: Tensor, padding_mask: Tensor | None) -> Tensor:
        """Cell embedding (B, D)."""
        return hidden.sum(1) if padding_mask is None else _unpadded(hidden, padding_mask).sum(1)


class BagPool(nn.Module):
    """Mean or sum over unpadded tokens that are genes' vectors times the cell's values.

    The same numbers come from hidden states, from tokens without a vector for each
    (:meth:`of_tokens`), and from a matrix of cells by genes (:meth:`of_matrix`), which is a matrix
    product: the fastest by far, forward and backward.

    Parameters
    ----------
    method
        ``"mean"`` or ``"sum"``.
    """

    def __init__(self, method: Literal["mean", "sum"]) -> None:
        super().__init__()
        self.method = method

    def forward(self, hidden: Tensor, gene_ids: Tensor, padding_mask: Tensor | None) -> Tensor:
        """Cell embedding (B, D) of tokens ``hidden`` (B, L, D)."""
        pool = MeanPool() if self.method == "mean" else SumPool()
        return pool(hidden, gene_ids, padding_mask)

    def of_tokens(
        self, vectors: Tensor, gene_ids: Tensor, values: Tensor, padding_mask: Tensor | None
    ) -> Tensor:
        """Cell embedding (B, D) of tokens.

        Parameters
        ----------
        vectors
            (n_genes, D).
        gene_ids, values, padding_mask
            (B, L) tokens; the last may be None.
        """
        seen = torch.ones_like(values) if padding_mask is None else (~padding_mask).to(values.dtype)
        weights = torch.where(seen > 0, values, 0)
        if self.method == "mean":
            weights = weights / seen.sum(1, keepdim=True).clamp(min=1)
        return F.embedding_bag(gene_ids, vectors, per_sample_weights=weights, mode="sum")

    def of_matrix(self, vectors: Tensor, values: Tensor) -> Tensor:
        """Cell embedding (B, D) of ``values`` (B, n), those of the first n genes of the vocabulary.

        Genes of value 0 have no token; ``<cls>`` has one, of value 0.
        """
        summed = values @ vectors[: values.shape[1]]
        if self.method == "sum":
            return summed
        return summed / (torch.count_nonzero(values, 1)[:, None] + 1)


def _unpadded(hidden: Tensor, padding_mask: Tensor) -> Tensor:
    """``hidden`` (B, L, D) with zeros at padding."""
    return hidden.masked_fill(padding_mask[..., None], 0)


class AttentionPool(nn.Module):
    """A softmax average per head, with a learned query and a learned bias per gene.

    The score of token t for head h is ``query_h . hidden_t / sqrt(D) + bias[gene_t, h]``: a head
    can single out a marker gene among a thousand tokens. The averages of all heads are concatenated
    and projected back to D.

    Parameters
    ----------
    d_model
        Width D.
    n_heads
        Number of queries.
    n_genes
        Size of the vocabulary, special tokens included.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.pool import AttentionPool
    >>> pool = AttentionPool(d_model=8, n_heads=2, n_genes=10)
    >>> pool(torch.randn(3, 5, 8), torch.randint(10, (3, 5)), None).shape
    torch.Size([3, 8])
    """

    def __init__(self, d_model: int, n_heads: int, n_genes: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.empty(n_heads, d_model))
        self.bias = nn.Embedding(n_genes, n_heads)
        self.project = nn.Linear(n_heads * d_model, d_model)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw queries from N(0, 1) and the projection as PyTorch does; set gene biases to zero."""
        self.query.normal_()
        self.bias.weight.zero_()
        self.project.reset_parameters()

    def forward(self, hidden: Tensor, gene_ids: Tensor, padding_mask: Tensor | None) -> Tensor:
        """Pool ``hidden`` (B, L, D) to (B, D); only padding gives the projection's bias."""
        scores = hidden @ self.query.T / math.sqrt(hidden.shape[-1]) + self.bias(gene_ids)
        if padding_mask is None:
            weights = scores.softmax(1)  # (B, L, H)
        else:
            pad = padding_mask[..., None]
            weights = scores.masked_fill(pad, torch.finfo(scores.dtype).min).softmax(1)
            weights = weights.masked_fill(pad, 0)
            hidden = hidden.masked_fill(pad, 0)
        return self.project((weights.transpose(1, 2) @ hidden).flatten(1))
