"""Seeded random subsets in ascending order, for compiled loops."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled

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
def draw(n: int, k: int, seed: np.uint64, drawn: npt.NDArray[np.bool_]) -> None:
    """Set ``k`` of the first ``n`` entries of ``drawn`` to True, the others to False; ``k <= n``.

    All subsets are equally likely up to 2^-32 n. A partial Fisher-Yates shuffle draws the entries
    that are True or those that are False, whichever are fewer.
    """
    few = min(k, n - k)
    drawn[:n] = few < k
    places = np.arange(n, dtype=np.int32)
    state = seed
    for i in range(few):
        state = state + _GOLDEN
        left = np.uint64(n - i)
        j = i + np.int64(((mix(state) >> np.uint64(32)) * left) >> np.uint64(32))
        place = places[j]
        places[j] = places[i]
        drawn[place] = few == k


@compiled
def choose(n: int, k: int, seed: np.uint64, chosen: npt.NDArray[np.int64]) -> int:
    """Write ``min(k, n)`` random elements of ``range(n)``, ascending, to ``chosen``.

    Returns the number written; ``chosen`` must have at least that many entries.
    """
    if k >= n:
        for i in range(n):
            chosen[i] = i
        return n
    drawn = np.empty(n, dtype=np.bool_)
    draw(n, k, seed, drawn)
    taken = 0
    for i in range(n):
        if taken == k:
            break
        chosen[taken] = i
        taken += drawn[i]
    return taken
