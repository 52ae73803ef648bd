"""Count decoder: gene counts from the cell embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba.nn.heads.head import CellState, Head, HeadConfig, Sizes

_SMALL = 0.1  # standard deviation of new gene vectors: decoding starts at batch means


@dataclass(frozen=True)
class CountConfig(HeadConfig):
    """Settings of :class:`CountHead`.

    Examples
    --------
    >>> from scmamba.nn.heads import CountConfig
    >>> CountConfig(n_counts=2_000)
    CountConfig(n_counts=2000)
    """

    n_counts: int
    """Number of decoded genes."""

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        self.at_least("n_counts", 1)


class CountHead(Head):
    """Fraction of each gene in a cell's counts: softmax of h(latent, batch) . gene + background.

    Parameters
    ----------
    d_cell
        Width of the latent.
    n_counts
        Number of decoded genes.
    d_label
        Width of the batch embedding; 0 for none.
    n_batches
        Number of batches, each with its own background; 0 for one background.
    d_model
        Width of the gene vectors.
    width
        Width of the hidden layer.

    Attributes
    ----------
    log_dispersion
        (n_counts,) logarithm of each gene's inverse dispersion t: variance = mean + mean^2 / t.
    background
        (n_batches or 1, n_counts) log fractions of the mean cell, see :meth:`set_background`;
        ``shift`` is a learned correction.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import CountHead
    >>> log_fractions = CountHead(4, n_counts=10)(torch.zeros(2, 4))
    >>> log_fractions.exp().sum(1).round(decimals=4).tolist()
    [1.0, 1.0]
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
        """Draw small gene vectors; the other parameters of this module start at zero."""
        self.gene.normal_(std=_SMALL)
        for start in (self.shift, self.log_dispersion, self.background):
            start.zero_()

    @torch.no_grad()
    def set_background(self, totals: Tensor) -> None:
        """Set the background from total counts of each batch (n_batches, n_counts), plus one."""
        self.background.copy_(F.normalize(totals + 1, p=1, dim=1).log())

    def forward(
        self, latent: Tensor, label: Tensor | None = None, batch_ids: Tensor | None = None
    ) -> Tensor:
        """Return log fractions (B, n_counts) of genes, which sum to 1 after exponentiation.

        ``latent`` is (B, d_cell), ``label`` (B, d_label) the embedding of the batch and
        ``batch_ids`` (B,) the index of its background; without it, the first background is used.
        """
        h = self.hidden(latent if label is None else torch.cat([latent, label], -1))
        base = self.background + self.shift
        return F.log_softmax(
            h @ self.gene.T + (base[:1] if batch_ids is None else base[batch_ids]), -1
        )

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        """Build the head from its settings; see :meth:`Head.build`."""
        assert isinstance(config, CountConfig)
        n_batches = sizes.n_batches if sizes.d_batch else 0
        return cls(sizes.d_cell, config.n_counts, d_label=sizes.d_batch, n_batches=n_batches)

    def read(self, state: CellState) -> dict[str, Tensor]:
        """Return log fractions and log dispersions of the counts."""
        share = self(state.drawn, state.batch, state.batch_ids)
        return {"count_log_share": share, "count_log_dispersion": self.log_dispersion}
