"""Tensors as the flat arrays that compiled loops read and write."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor


def flat(t: Tensor) -> np.ndarray[Any, Any]:
    """View of the memory of ``t`` from its first number to its last, gaps between rows included."""
    n = sum((size - 1) * step for size, step in zip(t.shape, t.stride(), strict=True)) + 1
    return t.detach().as_strided((n if t.numel() else 0,), (1,)).numpy()


def evenly_spaced(x: Tensor) -> Tensor:
    """``x`` (B, L, d), copied unless its tokens lie at one distance from each other."""
    even = x.stride(2) == 1 and (len(x) == 1 or x.stride(0) == x.shape[1] * x.stride(1))
    return x if even else x.contiguous()
