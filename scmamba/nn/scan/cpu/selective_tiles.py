"""What the loops of the selective scan of Mamba-1 on a CPU read and write, tile by tile.

Neighboring channels lie side by side in vectors. For ``STATES`` states at a time they stay in
registers while a loop runs over the tokens of a tile; what a tile reads and writes stays in the
cache, and what the next one needs is on its way there. A unit of work is ``WIDE`` channels of one
row.

Arrays are flat and float32: x, dt, y of (b, L, d); B, C of (b, L, n); D of (d,). A of (n, d), in
units of log 2, and states of (b, n, d) are laid out in blocks: (..., n / STATES, d / LANES, STATES,
LANES). ``initial_states`` holds the state before every tile, (b, tiles, ...).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lanes import LANES, STATES

Array = npt.NDArray[np.float32]

TILE = 32
"""Tokens of a tile."""

WIDE = 64
"""Channels of a unit of work."""

BLOCK = STATES * LANES
"""Numbers of a block: the states and channels that are in registers at a time."""


class ScanArrays(NamedTuple):
    """What the scan computes from."""

    x: Array
    dt: Array
    A: Array
    B: Array
    C: Array
    D: Array


class ScanGradients(NamedTuple):
    """What the units fill; ``units`` is the number of units of a row."""

    x: Array  # (b, L, d)
    dt: Array  # (b, L, d)
    A: npt.NDArray[np.float64]  # (b, n, d) in blocks, natural units; comes in as zeros
    B: Array  # (b, units, L, n), comes in as zeros
    C: Array  # (b, units, L, n), comes in as zeros
    D: npt.NDArray[np.float64]  # (b, d), comes in as zeros
    state: Array  # (b, n, d) in blocks: of the last state, becomes that of the first


class Tokens(NamedTuple):
    """The tokens of a tile, counted over all rows, in the order of the scan."""

    first: int
    step: int
    n: int


@compiled
def tile_tokens(row: int, length: int, i: int, reverse: bool) -> Tokens:
    """Tokens of the tile that is the ``i``-th in the order of the scan."""
    n = min(TILE, length - i * TILE)
    if reverse:
        return Tokens((row + 1) * length - 1 - i * TILE, -1, n)
    return Tokens(row * length + i * TILE, 1, n)
