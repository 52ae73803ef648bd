"""Embeddings of genes, of expression values and of cell-level labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError


class GeneEmbedding(nn.Module):
    """One learned vector per gene id, with LayerNorm.

    Parameters
    ----------
    n_genes
        Size of the vocabulary, special tokens included.
    d_model
        Width.
    norm
        Whether a LayerNorm follows, as in the published model.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.embed import GeneEmbedding
    >>> GeneEmbedding(n_genes=10, d_model=8)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 8])
    """

    def __init__(self, n_genes: int, d_model: int, *, norm: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_genes, d_model)
        self.norm = nn.LayerNorm(d_model) if norm else nn.Identity()

    def forward(self, gene_ids: Tensor) -> Tensor:
        """Embed ``gene_ids`` (...) of integers in [0, n_genes): (..., d_model)."""
        return self.norm(self.embedding(gene_ids))

    @torch.no_grad()
    def init(
        self, matrix: np.ndarray | Tensor, gene_ids: np.ndarray | Tensor | None = None
    ) -> None:
        """Start from a matrix, such as the loadings of an SVD.

        The matrix is scaled to a root mean square of 1, that of random embeddings. Further columns
        are random, at a tenth of that scale; other rows stay unchanged.

        Parameters
        ----------
        matrix
            (n, d) finite values with d <= d_model; n is ``n_genes`` if ``gene_ids`` is None.
        gene_ids
            (n,) vocabulary id of each row.
        """
        table = self.embedding.weight
        rows = torch.as_tensor(matrix, dtype=table.dtype, device=table.device)
        n = len(table) if gene_ids is None else len(gene_ids)
        if rows.ndim != 2 or len(rows) != n or not 0 < rows.shape[1] <= table.shape[1]:
            raise ScmambaError(
                f"matrix has shape {tuple(rows.shape)}; give ({n}, d) with d from 1 to "
                f"d_model={table.shape[1]}"
            )
        if not bool(rows.isfinite().all()):
            raise ScmambaError("matrix holds NaN or infinite numbers; leave those genes out")
        start = 0.1 * torch.randn(n, table.shape[1], device=table.device, dtype=table.dtype)
        scale = rows.square().mean().sqrt().clamp(min=torch.finfo(rows.dtype).tiny)
        start[:, : rows.shape[1]] = rows / scale
        ids = slice(None) if gene_ids is None else torch.as_tensor(gene_ids, device=table.device)
        table[ids] = start


class ValueEmbedding(nn.Module):
    """A continuous value as a vector: Linear(1, D), ReLU, Linear, LayerNorm, dropout.

    Parameters
    ----------
    d_model
        Width.
    dropout
        Probability of dropping a feature.
    clip
        Larger values are set to this one.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.embed import ValueEmbedding
    >>> ValueEmbedding(d_model=8)(torch.tensor([[0.0, 1.5, 600.0]])).shape
    torch.Size([1, 3, 8])
    """

    def __init__(self, d_model: int, *, dropout: float = 0.0, clip: float = 512.0) -> None:
        super().__init__()
        self.clip = clip
        self.linear1 = nn.Linear(1, d_model)
        self.linear2 = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        """Embed ``values`` (...): (..., d_model)."""
        x = values[..., None].clamp(max=self.clip)
        return self.dropout(self.norm(self.linear2(F.relu(self.linear1(x)))))


class PlainValue(nn.Module):
    """The value itself, as a vector of one number.

    Parameters
    ----------
    clip
        Larger values are set to this one.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.embed import PlainValue
    >>> PlainValue()(torch.tensor([1.5, 600.0]))
    tensor([[  1.5000],
            [512.0000]])
    """

    def __init__(self, *, clip: float = 512.0) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, values: Tensor) -> Tensor:
        """Clip ``values`` (...): (..., 1)."""
        return values[..., None].clamp(max=self.clip)


class LabelEmbedding(nn.Embedding):
    """One learned vector per label (batch, modality), with LayerNorm.

    Parameters
    ----------
    n_labels
        Number of labels.
    d_model
        Width.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.embed import LabelEmbedding
    >>> LabelEmbedding(n_labels=3, d_model=8)(torch.tensor([0, 2])).shape
    torch.Size([2, 8])
    """

    def __init__(self, n_labels: int, d_model: int) -> None:
        super().__init__(n_labels, d_model)
        self.norm = nn.LayerNorm(d_model)

    def forward(self, labels: Tensor) -> Tensor:
        """Embed ``labels`` (...) of integers in [0, n_labels): (..., d_model)."""
        return self.norm(super().forward(labels))


def _add(genes: Tensor, values: Tensor) -> Tensor:
    return genes + values


def _scale(genes: Tensor, values: Tensor) -> Tensor:
    return genes * (1 + values)


def _multiply(genes: Tensor, values: Tensor) -> Tensor:
    return genes * values


COMBINE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "continuous": _add,
    "scaled": _scale,
    "product": _multiply,
}
"""How the vectors of a gene and of its value, (B, L, D) each, are combined into a token, by
``value_encoding``; ``"product"`` takes the value itself, (B, L, 1)."""
