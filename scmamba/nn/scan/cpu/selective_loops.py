"""The compiled loops of the selective scan on a CPU, forward and backward.

Neighbouring channels lie side by side in vectors. For ``STATES`` states at a time they stay in
registers while a loop runs over the tokens of a tile; what a tile reads and writes stays in the
cache, and what the next one needs is on its way there.

All arrays are flat and float32: x, dt, y of (b, L, d); B, C of (b, L, n); D of (d,). A of (n, d),
in units of log 2, and states of (b, n, d) are laid out in blocks: (..., n / STATES, d / LANES,
STATES, LANES). ``enters`` holds a state for every tile, (b, tiles, ...).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lanes import (
    LANES,
    STATES,
    add_totals,
    dot,
    exp2,
    load,
    load_states,
    mul,
    muladd,
    prefetch,
    repeat,
    splat,
    spread,
    store,
)

Array = npt.NDArray[np.float32]

TILE = 32  # tokens
WIDE = 64  # channels of a unit of work

_BLOCK = STATES * LANES
_ZERO, _LOG_2 = np.float32(0), np.float32(math.log(2))


@compiled
def forward(
    x: Array,
    dt: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array,
    state: Array,
    y: Array,
    enters: Array,
    sizes: tuple[int, int, int],
    reverse: bool,
    start: int,
    stop: int,
) -> None:
    """Scan units ``start`` to ``stop`` (rows times blocks of channels); ``state`` moves on.

    ``sizes`` are L, d, n. ``enters`` is filled unless it is empty.
    """
    length, d, n = sizes
    tiles, units = -(-length // TILE), -(-d // WIDE)
    for unit in range(start, stop):
        row, low = unit // units, unit % units * WIDE
        for tile in range(tiles):
            tokens = min(TILE, length - tile * TILE)
            first, step = _walk(row, length, tile, reverse)
            for c in range(low, min(low + WIDE, d), LANES):
                skip = load(D, c)
                for j in range(0, n, STATES):
                    block = j * d + c * STATES
                    a, h = load_states(A, block), load_states(state, row * n * d + block)
                    if len(enters):
                        store(enters, (row * tiles + tile) * n * d + block, h)
                    for i in range(tokens):
                        t = first + i * step
                        here, k = t * d + c, t * n + j
                        if j == 0:
                            ahead = here + TILE * step * d
                            prefetch(dt, ahead)
                            prefetch(x, ahead)
                            prefetch(y, ahead)
                        q, v = load(dt, here), load(x, here)
                        keep = exp2(mul(repeat(q), a))
                        h = muladd(keep, h, mul(repeat(mul(q, v)), spread(B, k)))
                        total = mul(skip, v) if j == 0 else load(y, here)
                        store(y, here, dot(h, spread(C, k), total))
                    store(state, row * n * d + block, h)


@compiled
def backward(
    x: Array,
    dt: Array,
    A: Array,
    B: Array,
    C: Array,
    D: Array,
    enters: Array,
    dy: Array,
    dx: Array,
    ddt: Array,
    dA: Array,
    dB: Array,
    dC: Array,
    dD: Array,
    dstate: Array,
    sizes: tuple[int, int, int],
    reverse: bool,
    start: int,
    stop: int,
) -> None:
    """Gradients of units ``start`` to ``stop``, from those of the result and of the last state.

    ``dstate`` becomes the gradient of the first state. ``dA`` (b, n, d), in blocks and natural
    units, ``dD`` (b, d), ``dB`` and ``dC`` (b, units, L, n) come in as zeros; what is left to the
    caller is their sum over rows and units.
    """
    length, d, n = sizes
    tiles, units = -(-length // TILE), -(-d // WIDE)
    decays = np.empty(TILE * _BLOCK, dtype=np.float32)
    decayed = np.empty(TILE * _BLOCK, dtype=np.float32)
    for unit in range(start, stop):
        row, low = unit // units, unit % units * WIDE
        for tile in range(tiles - 1, -1, -1):
            tokens = min(TILE, length - tile * TILE)
            first, step = _walk(row, length, tile, reverse)
            partial = (unit - row) * length  # rows before it in dB and dC, beyond those of t
            for c in range(low, min(low + WIDE, d), LANES):
                skip, dskip = load(D, c), load(dD, row * d + c)
                for j in range(0, n, STATES):
                    block = j * d + c * STATES
                    a = load_states(A, block)
                    h = load_states(enters, (row * tiles + tile) * n * d + block)
                    for i in range(tokens):  # the states again
                        t = first + i * step
                        here, k = t * d + c, t * n + j
                        if j == 0:
                            ahead = (t - TILE * step) * d + c
                            prefetch(dt, ahead)
                            prefetch(x, ahead)
                            prefetch(dy, ahead)
                            prefetch(dx, ahead)
                            prefetch(ddt, ahead)
                        q = load(dt, here)
                        keep = exp2(mul(repeat(q), a))
                        kept = mul(keep, h)
                        h = muladd(repeat(mul(q, load(x, here))), spread(B, k), kept)
                        store(decays, i * _BLOCK, keep)
                        store(decayed, i * _BLOCK, kept)
                    g = load_states(dstate, row * n * d + block)
                    da = load_states(dA, row * n * d + block)
                    for i in range(tokens - 1, -1, -1):
                        t = first + i * step
                        here, k = t * d + c, t * n + j
                        q, v, up = load(dt, here), load(x, here), load(dy, here)
                        b, u = spread(B, k), repeat(mul(q, v))
                        kept = load_states(decayed, i * _BLOCK)
                        g = muladd(repeat(up), spread(C, k), g)
                        add_totals(dC, partial * n + k, mul(muladd(u, b, kept), repeat(up)))
                        add_totals(dB, partial * n + k, mul(g, u))
                        if j == 0:
                            du, dq = splat(_ZERO), splat(_ZERO)
                            dskip = muladd(up, v, dskip)
                        else:
                            du, dq = load(dx, here), load(ddt, here)
                        kept = mul(g, kept)
                        du, dq = dot(g, b, du), dot(kept, a, dq)
                        da = muladd(kept, repeat(q), da)
                        g = mul(g, load_states(decays, i * _BLOCK))
                        if j + STATES == n:
                            dq = muladd(du, v, mul(dq, splat(_LOG_2)))
                            du = muladd(du, q, mul(skip, up))
                        store(dx, here, du)
                        store(ddt, here, dq)
                    store(dstate, row * n * d + block, g)
                    store(dA, row * n * d + block, da)
                store(dD, row * d + c, dskip)


@compiled
def _walk(row: int, length: int, tile: int, reverse: bool) -> tuple[int, int]:
    """First token of a tile, counted over all rows, and the step to the next."""
    if reverse:
        return (row + 1) * length - 1 - tile * TILE, -1
    return row * length + tile * TILE, 1
