"""The compiled loops of the selective scan of Mamba-1 on a CPU, forward.

    h_t = keep_t h_{t-1} + dt_t x_t B_t        keep_t = exp(dt_t A)        y_t = h_t . C_t + D x_t

Tiles, blocks and units of work are those of :mod:`scmamba.nn.scan.cpu.selective_tiles`.
"""

from __future__ import annotations

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lane_math import dot, exp2, mul, muladd
from scmamba.nn.scan.cpu.lanes import (
    LANES,
    STATES,
    load,
    load_states,
    prefetch,
    repeat,
    spread,
    store,
)
from scmamba.nn.scan.cpu.selective_tiles import TILE, WIDE, Array, ScanArrays, tile_tokens


@compiled
def forward(
    arrays: ScanArrays,
    state: Array,
    y: Array,
    initial_states: Array,
    sizes: tuple[int, int, int],
    reverse: bool,
    start: int,
    stop: int,
) -> None:
    """Scan units ``start`` to ``stop``; ``state`` becomes the last state.

    ``sizes`` are L, d, n. ``initial_states`` is filled unless it is empty.
    """
    length, d, n = sizes
    tiles, units = -(-length // TILE), -(-d // WIDE)
    for unit in range(start, stop):
        row, low = unit // units, unit % units * WIDE
        for i in range(tiles):
            tokens = tile_tokens(row, length, i, reverse)
            for c in range(low, min(low + WIDE, d), LANES):
                for j in range(0, n, STATES):
                    block = j * d + c * STATES
                    h = load_states(state, row * n * d + block)
                    if len(initial_states):
                        store(initial_states, (row * tiles + i) * n * d + block, h)
                    store(state, row * n * d + block, _scan(arrays, y, h, tokens, d, n, c, j))


@compiled
def _scan(arrays, y, h, tokens, d, n, c, j):  # type: ignore[no-untyped-def]
    """States from ``j`` on of the channels from ``c`` on after a tile; adds to ``y``."""
    a, skip = load_states(arrays.A, j * d + c * STATES), load(arrays.D, c)
    for i in range(tokens.n):
        t = tokens.first + i * tokens.step
        here, k = t * d + c, t * n + j
        if j == 0:
            ahead = here + TILE * tokens.step * d
            prefetch(arrays.dt, ahead)
            prefetch(arrays.x, ahead)
            prefetch(y, ahead)
        dt, x = load(arrays.dt, here), load(arrays.x, here)
        keep = exp2(mul(repeat(dt), a))
        h = muladd(keep, h, mul(repeat(mul(dt, x)), spread(arrays.B, k)))
        before = mul(skip, x) if j == 0 else load(y, here)
        store(y, here, dot(h, spread(arrays.C, k), before))
    return h
