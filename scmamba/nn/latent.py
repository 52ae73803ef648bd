"""A small Gaussian latent on the cell embedding, and the counts that it is decoded to."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LOG_VAR = (-10.0, 2.0)  # outside, a variance says nothing or overflows
_START = -2.0  # log variance that a new latent has: the mean speaks first
_SMALL = 0.1  # what new gene vectors are scaled by: decoding starts at the batches' means


class LatentHead(nn.Module):
    """Mean and log variance of a cell's latent: Linear, LayerNorm, GELU, Linear.

    Parameters
    ----------
    d_model
        Width of the pooled cell embedding.
    n_latent
        Width of the latent.
    width
        Of the hidden layer.
    """

    def __init__(self, d_model: int, n_latent: int, *, width: int = 128) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(d_model, width), nn.LayerNorm(width), nn.GELU())
        self.out = nn.Linear(width, 2 * n_latent)

    def forward(self, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, n_latent) of ``cell`` (B, d_model)."""
        mean, log_var = self.out(self.hidden(cell)).chunk(2, -1)
        return mean, (log_var + _START).clamp(*_LOG_VAR)


def sample(mean: Tensor, log_var: Tensor) -> Tensor:
    """A draw from N(mean, exp(log_var)) through which gradients flow (Kingma & Welling, 2014)."""
    return mean + torch.randn_like(mean) * (0.5 * log_var).exp()


class CountHead(nn.Module):
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
