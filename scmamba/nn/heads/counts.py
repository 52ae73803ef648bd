"""Counts of genes decoded from the cell embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba.nn.heads.head import CellState, Head, HeadConfig, Sizes

_SMALL = 0.1  # what new gene vectors are scaled by: decoding starts at the batches' means


@dataclass(frozen=True)
class CountConfig(HeadConfig):
    """Settings of :class:`CountHead`."""

    n_counts: int
    """Number of genes that are decoded."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least("n_counts", 1)


class CountHead(Head):
    """Share of each gene in a cell's counts: softmax of h(latent, batch) . gene + background.

    Parameters
    ----------
    d_cell
        Width of the latent.
    n_counts
        Number of genes that are decoded.
    d_label
        Width of the batch embedding; 0 for none.
    n_batches
        Batches with a background of their own; 0: one background for all.
    d_model
        Width of the genes' vectors.
    width
        Of the hidden layer.

    Attributes
    ----------
    log_dispersion
        (n_counts,) logarithm of each gene's inverse dispersion t: variance = mean + mean^2 / t.
    background
        (n_batches or 1, n_counts) logarithms of shares that hold on average, see
        :meth:`set_background`; ``shift`` is what is learned on top.
    """

    name = "counts"
    needs = frozenset({"batch"})
    config = CountConfig
    background: Tensor

    def __init__(
        self,
        d_cell: int,
        n_counts: int,
        *,
        d_label: int = 0,
        n_batches: int = 0,
        d_model: int = 64,
        width: int = 128,
    ) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(d_cell + d_label, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, d_model),
        )
        self.gene = nn.Parameter(torch.empty(n_counts, d_model))
        self.shift = nn.Parameter(torch.empty(max(n_batches, 1), n_counts))
        self.log_dispersion = nn.Parameter(torch.empty(n_counts))
        self.register_buffer("background", torch.empty(max(n_batches, 1), n_counts))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw genes' vectors small; everything else of this module starts at zero."""
        self.gene.normal_(std=_SMALL)
        for start in (self.shift, self.log_dispersion, self.background):
            start.zero_()

    @torch.no_grad()
    def set_background(self, totals: Tensor) -> None:
        """Start from the counts of each batch, (n_batches, n_counts), one added to each."""
        self.background.copy_(F.normalize(totals + 1, p=1, dim=1).log())

    def forward(
        self, latent: Tensor, label: Tensor | None = None, batch_ids: Tensor | None = None
    ) -> Tensor:
        """Logarithms of shares that sum to 1, (B, n_counts).

        ``latent`` is (B, d_cell), ``label`` (B, d_label) the batch's embedding and ``batch_ids``
        (B,) its background; without them the first background is taken.
        """
        h = self.hidden(latent if label is None else torch.cat([latent, label], -1))
        base = self.background + self.shift
        return F.log_softmax(
            h @ self.gene.T + (base[:1] if batch_ids is None else base[batch_ids]), -1
        )

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        assert isinstance(config, CountConfig)
        n_batches = sizes.n_batches if sizes.d_batch else 0
        return cls(sizes.d_cell, config.n_counts, d_label=sizes.d_batch, n_batches=n_batches)

    def read(self, state: CellState) -> dict[str, Tensor]:
        share = self(state.drawn, state.batch, state.batch_ids)
        return {"count_log_share": share, "count_log_dispersion": self.log_dispersion}
