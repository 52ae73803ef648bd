"""A random subset in order, drawn inside compiled loops from a seed of one's own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba.tokens._compiled import compiled

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@compiled
def mix(state: np.uint64) -> np.uint64:
    """Return SplitMix64's hash of ``state`` (Steele et al., 2014)."""
    z = state + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@compiled
def choose(n: int, k: int, seed: np.uint64, chosen: npt.NDArray[np.int64]) -> int:
    """Write ``min(k, n)`` of ``range(n)``, ascending, to ``chosen`` and return how many.

    Every subset is equally likely (selection sampling: Knuth, TAOCP 2, 3.4.2, algorithm S).
    """
    if k >= n:
        for i in range(n):
            chosen[i] = i
        return n
    taken = 0
    state = seed
    for i in range(n):
        state = state + _GOLDEN
        uniform = np.float64(mix(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)
        if uniform * (n - i) < k - taken:
            chosen[taken] = i
            taken += 1
            if taken == k:
                break
    return taken
