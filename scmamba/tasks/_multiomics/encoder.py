"""The encoder of one modality: a bag of features and what it says of the latent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba.nn.norm import DomainBatchNorm

_START = -2.0
_LOG_VAR = (-10.0, 2.0)
_LEAST_CELLS = 16
_SMALL = 0.1


@dataclass(frozen=True)
class Values:
    """Values of one modality in B cells, as bags of features.

    Attributes
    ----------
    features, values
        (n_values,) positions of features and their values, cell after cell.
    starts
        (B,) where each cell begins.
    there
        (B,) whether the modality was measured.
    """

    features: Tensor
    values: Tensor
    starts: Tensor
    there: Tensor


class Encoder(nn.Module):
    """Bag of features, norm per batch, and a Gaussian latent: linear in the bag plus an MLP.

    Parameters
    ----------
    n_features, d, n_latent, n_batches
        Sizes: features, pooled vector, latent, batches.
    width
        Width of the hidden layer.
    """

    def __init__(
        self, n_features: int, d: int, n_latent: int, n_batches: int, width: int = 128
    ) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(n_features, d) / d**0.5)
        self.norm = DomainBatchNorm(d, n_batches, least=_LEAST_CELLS)
        self.linear = nn.Linear(d, n_latent, bias=False)
        self.hidden = nn.Sequential(nn.Linear(d, width), nn.LayerNorm(width), nn.GELU())
        self.out = nn.Linear(width, 2 * n_latent)

    def pooled(self, values: Values) -> Tensor:
        """(B, d) weighted sums of embeddings; 0 for cells without values."""
        return F.embedding_bag(
            values.features,
            self.embedding,
            values.starts,
            mode="sum",
            per_sample_weights=values.values,
        )

    def forward(self, pooled: Tensor, there: Tensor, batch_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, n_latent) of pooled cells (B, d)."""
        x = self.norm(pooled[:, None], batch_ids, ~there[:, None])[:, 0]
        return self.latent(x)

    def latent(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, n_latent) of normalized cells (B, d)."""
        moved, log_var = self.out(self.hidden(x)).chunk(2, 1)
        return self.linear(x) + moved, (log_var + _START).clamp(*_LOG_VAR)

    @torch.no_grad()
    def start(self, loadings: Tensor, linear: Tensor, log_var: Tensor) -> None:
        """Start at principal components, a linear map of them, and the variance that it leaves.

        Parameters
        ----------
        loadings
            (n_features, d).
        linear
            (n_latent, d).
        log_var
            (n_latent,).
        """
        self.embedding.copy_(loadings)
        self.linear.weight.copy_(linear)
        self.out.weight.mul_(_SMALL)
        self.out.bias.zero_()
        self.out.bias[len(log_var) :].copy_((log_var - _START).clamp(*_LOG_VAR))
