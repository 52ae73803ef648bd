"""A small Gaussian latent that becomes the cell embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from scmamba._config import WIDEST
from scmamba.nn.heads.head import CellState, Head, HeadConfig, Sizes

_LOG_VAR = (-10.0, 2.0)  # outside, a variance says nothing or overflows
_START = -2.0  # log variance that a new latent has: the mean speaks first


@dataclass(frozen=True)
class LatentConfig(HeadConfig):
    """Settings of :class:`LatentHead`."""

    n_latent: int
    """Width of the latent."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.between("n_latent", 1, WIDEST)


class LatentHead(Head):
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

    name = "latent"
    config = LatentConfig

    def __init__(self, d_model: int, n_latent: int, *, width: int = 128) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(d_model, width), nn.LayerNorm(width), nn.GELU())
        self.out = nn.Linear(width, 2 * n_latent)

    def forward(self, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, n_latent) of ``cell`` (B, d_model)."""
        mean, log_var = self.out(self.hidden(cell)).chunk(2, -1)
        return mean, (log_var + _START).clamp(*_LOG_VAR)

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        assert isinstance(config, LatentConfig)
        return cls(sizes.d_model, config.n_latent)

    def read(self, state: CellState) -> dict[str, Tensor]:
        """The log variance; the model has made the mean its cell embedding."""
        assert state.log_var is not None
        return {"latent_log_var": state.log_var}


def sample(mean: Tensor, log_var: Tensor) -> Tensor:
    """A draw from N(mean, exp(log_var)) through which gradients flow (Kingma & Welling, 2014)."""
    return mean + torch.randn_like(mean) * (0.5 * log_var).exp()
