"""Losses of the pretraining and fine-tuning objectives."""

from scmamba.nn.losses.counts import negative_binomial_nll
from scmamba.nn.losses.expression import (
    expressed_nll,
    masked_cell_losses,
    masked_mse,
    zero_inflated_mse,
)
from scmamba.nn.losses.gaussian import gaussian_kl, gaussian_nll
from scmamba.nn.losses.similarity import contrastive_loss, ecs_loss

__all__ = [
    "contrastive_loss",
    "ecs_loss",
    "expressed_nll",
    "gaussian_kl",
    "gaussian_nll",
    "masked_cell_losses",
    "masked_mse",
    "negative_binomial_nll",
    "zero_inflated_mse",
]
