"""The compiled loops of the selective scan of Mamba-1 on a CPU, backward.

Each unit walks through its tiles from the last to the first: what the scan kept and dropped at each
token of a tile is computed again from the state before it, then the gradients go back through it.
Tiles, blocks and units of work are those of :mod:`scmamba.nn.scan.cpu.selective_tiles`.
"""

from __future__ import annotations

import math

import numpy as np

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lane_math import add_to_doubles, add_totals, dot, exp2, mul, muladd
from scmamba.nn.scan.cpu.lanes import (
    LANES,
    STATES,
    load,
    load_states,
    prefetch,
    repeat,
    splat,
    spread,
    store,
)
from scmamba.nn.scan.cpu.selective_tiles import (
    BLOCK,
    TILE,
    WIDE,
    Array,
    ScanArrays,
    ScanGradients,
    tile_tokens,
)

_ZERO, _LOG_2 = np.float32(0), np.float32(math.log(2))


@compiled
def backward(
    arrays: ScanArrays,
    initial_states: Array,
    dy: Array,
    gradients: ScanGradients,
    sizes: tuple[int, int, int],
    reverse: bool,
    start: int,
    stop: int,
) -> None:
    """Gradients of units ``start`` to ``stop``; the caller sums what rows and units share."""
    length, d, n = sizes
    tiles, units = -(-length // TILE), -(-d // WIDE)
    keeps = np.empty(TILE * BLOCK, dtype=np.float32)
    kept = np.empty(TILE * BLOCK, dtype=np.float32)
    for unit in range(start, stop):
        row, low = unit // units, unit % units * WIDE
        partial = (unit - row) * length  # rows before it in dB and dC, beyond those of t
        for i in range(tiles - 1, -1, -1):
            tokens = tile_tokens(row, length, i, reverse)
            for c in range(low, min(low + WIDE, d), LANES):
                _skip(arrays, dy, gradients, tokens, d, row, c)
                for j in range(0, n, STATES):
                    block = j * d + c * STATES
                    at = row * n * d + block
                    h = load_states(initial_states, (row * tiles + i) * n * d + block)
                    _replay(arrays, dy, gradients, h, tokens, d, n, c, j, keeps, kept)
                    g = load_states(gradients.state, at)
                    g = _backward_scan(
                        arrays, dy, gradients, g, tokens, d, n, c, j, at, partial, keeps, kept
                    )
                    store(gradients.state, at, g)


@compiled
def _skip(arrays, dy, gradients, tokens, d, row, c):  # type: ignore[no-untyped-def]
    """``dD += sum of dy_t x_t``: tile by tile in float64, since sequences are long."""
    dskip = splat(_ZERO)
    for i in range(tokens.n):
        here = (tokens.first + i * tokens.step) * d + c
        dskip = muladd(load(dy, here), load(arrays.x, here), dskip)
    add_to_doubles(gradients.D, row * d + c, dskip)


@compiled
def _replay(arrays, dy, gradients, h, tokens, d, n, c, j, keeps, kept):  # type: ignore[no-untyped-def]
    """``keep_t`` and ``keep_t h_{t-1}`` of a tile, from the state ``h`` before it."""
    a = load_states(arrays.A, j * d + c * STATES)
    for i in range(tokens.n):
        t = tokens.first + i * tokens.step
        here, k = t * d + c, t * n + j
        if j == 0:
            ahead = (t - TILE * tokens.step) * d + c
            prefetch(arrays.dt, ahead)
            prefetch(arrays.x, ahead)
            prefetch(dy, ahead)
            prefetch(gradients.x, ahead)
            prefetch(gradients.dt, ahead)
        dt = load(arrays.dt, here)
        keep = exp2(mul(repeat(dt), a))
        old = mul(keep, h)
        h = muladd(repeat(mul(dt, load(arrays.x, here))), spread(arrays.B, k), old)
        store(keeps, i * BLOCK, keep)
        store(kept, i * BLOCK, old)


@compiled
def _backward_scan(arrays, dy, gradients, g, tokens, d, n, c, j, at, partial, keeps, kept):  # type: ignore[no-untyped-def]
    """Gradient of the state before a tile from ``g``, that of the state after it.

    With ``g_t`` that of h_t, all that comes after t included,

        g_{t-1} = keep_t g_t + C_{t-1} dy_{t-1}
        dx_t = dt_t g_t . B_t + D dy_t
        ddt_t = x_t g_t . B_t + g_t . (keep_t h_{t-1} A)
        dB_t = sum over channels of dt_t x_t g_t
        dC_t = sum over channels of dy_t h_t
        dA = sum over t of dt_t g_t keep_t h_{t-1}

    dA of the tile is added in float64, as dD is.
    """
    a, skip = load_states(arrays.A, j * d + c * STATES), load(arrays.D, c)
    da = repeat(splat(_ZERO))
    for i in range(tokens.n - 1, -1, -1):
        t = tokens.first + i * tokens.step
        here, k = t * d + c, t * n + j
        dt, x, up = load(arrays.dt, here), load(arrays.x, here), load(dy, here)
        b, step = spread(arrays.B, k), repeat(mul(dt, x))
        old = load_states(kept, i * BLOCK)
        g = muladd(repeat(up), spread(arrays.C, k), g)
        add_totals(gradients.C, partial * n + k, mul(muladd(step, b, old), repeat(up)))
        add_totals(gradients.B, partial * n + k, mul(g, step))
        if j == 0:
            dx, ddt = splat(_ZERO), splat(_ZERO)
        else:
            dx, ddt = load(gradients.x, here), load(gradients.dt, here)
        flow = mul(g, old)
        dx, ddt = dot(g, b, dx), dot(flow, a, ddt)
        da = muladd(flow, repeat(dt), da)
        g = mul(g, load_states(keeps, i * BLOCK))
        if j + STATES == n:  # the sums over states are complete
            ddt = muladd(dx, x, mul(ddt, splat(_LOG_2)))
            dx = muladd(dx, dt, mul(skip, up))
        store(gradients.x, here, dx)
        store(gradients.dt, here, ddt)
    add_to_doubles(gradients.A, at, da)
    return g
