"""What every training loop shares: the learning rate, ramps of weights, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from scmamba.train.budget import Pace
from scmamba.train.config import TrainConfig

Tensors = tuple[Tensor, ...] | list[Tensor]
Average = Callable[[Tensors, Tensors, Tensor | int], None]
"""Moves averaged weights towards the current ones, in place."""


def lr_factor(step: int, pace: Pace, config: TrainConfig) -> float:
    """Fraction of the peak learning rate in a step: it rises linearly, then falls as a cosine to 0.

    Parameters
    ----------
    step
        Steps taken so far.
    pace
        How many there will be.
    config
        Length of the rise, and where it begins.
    """
    progress, warmup = pace.progress(step), config.warmup
    if progress < warmup:
        first = config.warmup_from
        return first + (1 - first) * (step + 1) / (warmup * pace.total + 1)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def linear_ramp(progress: float, start: float, full: float) -> float:
    """Weight that rises from 0 to 1 between two fractions of the training.

    Examples
    --------
    >>> [linear_ramp(progress, 0.25, 0.75) for progress in (0.0, 0.5, 0.9)]
    [0.0, 0.5, 1.0]
    """
    return min(max((progress - start) / (full - start), 0.0), 1.0)


def moving_average(decay: float, *, ramp: bool = False) -> Average:
    """Exponential moving average of weights.

    Parameters
    ----------
    decay
        Weight of the average so far in each step but the first, which copies the weights; in
        [0, 1).
    ramp
        Whether the decay after n steps is (1 + n) / (10 + n), until that is more than ``decay``.
    """

    def average(averaged: Tensors, current: Tensors, n_averaged: Tensor | int) -> None:
        n = int(n_averaged)
        used = min(decay, (1 + n) / (10 + n)) if ramp else (decay if n else 0.0)
        get_ema_multi_avg_fn(used)(averaged, current, n_averaged)

    return average
