"""Gaussian latent variable, which becomes the cell embedding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from scmamba._config import WIDEST
from scmamba.nn.heads.head import CellState, Head, HeadConfig, Sizes

_LOG_VAR = (-10.0, 2.0)  # bounds that avoid overflow and meaningless variances
_START = -2.0  # log variance of a new latent, small so that the mean dominates


@dataclass(frozen=True)
class LatentConfig(HeadConfig):
    """Settings of :class:`LatentHead`.

    Examples
    --------
    >>> from scmamba.nn.heads import LatentConfig
    >>> LatentConfig(n_latent=30)
    LatentConfig(n_latent=30)
    """

    n_latent: int
    """Width of the latent."""

    def __post_init__(self) -> None:
        """Check the fields."""
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
        Width of the hidden layer.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import LatentHead
    >>> mean, log_var = LatentHead(8, n_latent=3)(torch.zeros(2, 8))
    >>> mean.shape, log_var.shape
    (torch.Size([2, 3]), torch.Size([2, 3]))
    """

    name = "latent"
    config = LatentConfig

    def __init__(self, d_model: int, n_latent: int, *, width: int = 128) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(d_model, width), nn.LayerNorm(width), nn.GELU())
        self.out = nn.Linear(width, 2 * n_latent)

    def forward(self, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance (B, n_latent) of pooled cells (B, d_model)."""
        mean, log_var = self.out(self.hidden(cell)).chunk(2, -1)
        return mean, (log_var + _START).clamp(*_LOG_VAR)

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        """Build the head from its settings; see :meth:`Head.build`."""
        assert isinstance(config, LatentConfig)
        return cls(sizes.d_model, config.n_latent)

    def read(self, state: CellState) -> dict[str, Tensor]:
        """Return the log variance; the mean is the cell embedding already."""
        assert state.log_var is not None
        return {"latent_log_var": state.log_var}


def sample(mean: Tensor, log_var: Tensor) -> Tensor:
    """Draw from N(mean, exp(log_var)) with the reparameterization trick.

    Parameters
    ----------
    mean, log_var
        Mean and log variance, of the same shape.

    Notes
    -----
    Kingma & Welling, Auto-Encoding Variational Bayes, ICLR 2014.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import sample
    >>> sample(torch.zeros(2, 3), torch.full((2, 3), -100.0)).abs().max() < 1e-6
    tensor(True)
    """
    return mean + torch.randn_like(mean) * (0.5 * log_var).exp()
