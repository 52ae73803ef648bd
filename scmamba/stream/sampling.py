"""Positions drawn at random."""

from __future__ import annotations

import numpy as np


def sample(n: int, most: int, seed: int) -> np.ndarray:
    """Draw at most ``most`` of ``n`` positions at random, in ascending order."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
