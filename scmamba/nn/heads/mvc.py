"""Expression of each gene from the cell embedding.

The "zero probability" of the published code is the probability that a gene is *not* zero: it is
trained as ``P(value > 0)`` and multiplied by the prediction. Name and meaning are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba.nn.heads.head import CellState, Head, HeadConfig, Sizes


@dataclass(frozen=True)
class MVCConfig(HeadConfig):
    """Settings of :class:`MVCHead`.

    Examples
    --------
    >>> from scmamba.nn.heads import MVCConfig
    >>> MVCConfig()
    MVCConfig(explicit_zero=False)
    """

    explicit_zero: bool = False
    """Whether a second product gives the probability that the gene is expressed."""


class MVCHead(Head):
    """Expression of each gene from the cell embedding (objective ``mvc``).

    With q = sigmoid(query(gene)), the value is (W q) . cell. It is computed as q . (W^T cell),
    which multiplies W by one vector per cell instead of one per token.

    Parameters
    ----------
    d_model
        Width of gene embeddings.
    d_label
        Width of the embedding of batch and modality; 0 for none.
    explicit_zero
        Whether a second product gives the probability that the gene is expressed.
    d_cell
        Width of the cell embedding; None for ``d_model``.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import MVCHead
    >>> value, _ = MVCHead(8)(torch.zeros(2, 8), torch.zeros(2, 5, 8))
    >>> value.shape
    torch.Size([2, 5])
    """

    name = "mvc"
    needs = frozenset({"genes", "labels"})
    config = MVCConfig

    def __init__(
        self,
        d_model: int,
        *,
        d_label: int = 0,
        explicit_zero: bool = False,
        d_cell: int | None = None,
    ) -> None:
        super().__init__()
        width, d_side = d_model + d_label, (d_cell or d_model) + d_label
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, d_side, bias=False)
        self.zero = nn.Linear(width, d_side) if explicit_zero else None

    def forward(
        self,
        cell: Tensor,
        genes: Tensor,
        cell_label: Tensor | None = None,
        gene_label: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return expression (B, L), and the probability (B, L) of being expressed or None.

        ``cell`` is (B, d_cell), ``genes`` (B, L, d_model), ``cell_label`` (B, d_label) and
        ``gene_label`` (B, L, d_label).
        """
        if cell_label is not None and gene_label is not None:
            cell = torch.cat([cell, cell_label], -1)
            genes = torch.cat([genes, gene_label], -1)
        query = self.query(genes).sigmoid()  # (B, L, d)
        value = (query @ (cell @ self.value.weight)[..., None]).squeeze(-1)
        if self.zero is None:
            return value, None
        logit = (query @ (cell @ self.zero.weight)[..., None]).squeeze(-1)
        return value, (logit + (cell @ self.zero.bias)[:, None]).sigmoid()

    def of_pairs(
        self, cell: Tensor, genes: Tensor, of_cell: Tensor, of_gene: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return the same of n pairs of a cell and a gene, each (n,).

        A query is computed once for a gene, however many cells ask for it.

        Parameters
        ----------
        cell, genes
            (B, d_cell) and (U, d_model).
        of_cell, of_gene
            (n,) positions in them.
        """
        query = F.embedding(of_gene, self.query(genes).sigmoid())  # (n, d)
        value = (query * F.embedding(of_cell, cell @ self.value.weight)).sum(-1)
        if self.zero is None:
            return value, None
        logit = (query * F.embedding(of_cell, cell @ self.zero.weight)).sum(-1)
        return value, (logit + (cell @ self.zero.bias)[of_cell]).sigmoid()

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        """Build the head from its settings; see :meth:`Head.build`."""
        assert isinstance(config, MVCConfig)
        return cls(
            sizes.d_model,
            d_label=sizes.d_label,
            explicit_zero=config.explicit_zero,
            d_cell=sizes.d_cell,
        )

    def read(self, state: CellState) -> dict[str, Tensor]:
        """Return expression and, with explicit zeros, the probability of expression."""
        assert state.genes is not None
        if (picked := state.picked) is not None:
            value, expressed = self.of_pairs(state.drawn, state.genes, picked.cell, picked.gene)
        else:
            # The cell uses the labels of the <cls> token.
            cell_label = None if state.labels is None else state.labels[:, 0]
            value, expressed = self(state.drawn, state.genes, cell_label, state.labels)
        found = {"mvc_expression": value}
        return found if expressed is None else {**found, "mvc_zero_prob": expressed}
