"""One chunk of a Mamba-2 scan on a CPU: what the forward and the backward loops both compute.

The mathematics, and the letters, are those of :mod:`scmamba.nn.scan.chunks`: n chunks of q
positions, h heads of p channels, g groups, k = d_state. Arrays are flat and float32.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lane_math import add, clamp, exp2, mul, muladd, sigmoid, sub
from scmamba.nn.scan.cpu.lanes import LANES, load, splat, store
from scmamba.nn.scan.cpu.tiles import (
    ALL,
    ZERO,
    Array,
    Tile,
    copy,
    keep_triangle,
    product,
    tile,
    transposed,
)

RUN = 4
"""Chunks between states that are kept for the backward pass."""

CUM, DT, TO_STATE, FROM_STATE, REST, STEPS = range(6)
"""Rows of the array ``steps``, see :func:`chunk_decays`, and their number."""

_LOG_2 = math.log(2)
_LEAST, _MOST = np.float32(-63), ZERO  # powers of two that leave no denormal numbers


class MixerArrays(NamedTuple):
    """What a mixer computes from."""

    zxbc: Array  # (b, L, stride) gate, then x, B, C before the convolution, then what is not read
    dt: Array  # (b, L, h), 0 at padding
    A: Array  # (h,)
    D: Array  # (h,)
    conv_weight: Array  # (d_conv, conv_dim)
    conv_bias: Array  # (conv_dim,)


class ScanShape(NamedTuple):
    """Sizes that the arrays do not say."""

    rows: int  # b
    length: int  # L
    stride: int  # numbers of zxbc per token
    heads: int  # h
    headdim: int  # p, a multiple of LANES, as are d_state and chunk
    groups: int  # g
    d_state: int  # k
    d_conv: int
    chunk: int  # q
    unit_heads: int  # heads of a unit of work, all of one group


@compiled
def conv_silu_chunk(
    arrays: MixerArrays,
    s: ScanShape,
    row: int,
    first: int,
    back: bool,
    head: int,
    x: Array,
    B: Array,
    C: Array,
) -> None:
    """Convolution and SiLU of the chunk that begins at position ``first``.

    Fills x (unit_heads, q, p), B and C (q, k), with zeros behind the end of the sequence.
    """
    d_inner, group = s.heads * s.headdim, head // (s.heads // s.groups)
    for j in range(s.unit_heads):
        out = tile(x, j * s.chunk * s.headdim, s.headdim)
        _conv_silu(arrays, s, row, first, back, (head + j) * s.headdim, out)
    channel = d_inner + group * s.d_state
    _conv_silu(arrays, s, row, first, back, channel, tile(B, 0, s.d_state))
    channel += s.groups * s.d_state
    _conv_silu(arrays, s, row, first, back, channel, tile(C, 0, s.d_state))


@compiled
def _conv_silu(
    arrays: MixerArrays, s: ScanShape, row: int, first: int, back: bool, channel: int, out: Tile
) -> None:
    """As many channels of a chunk as ``out`` has columns, from ``channel`` on."""
    zxbc, weight, bias = arrays.zxbc, arrays.conv_weight, arrays.conv_bias
    d_inner, width = s.heads * s.headdim, out.row
    conv_dim, direction = d_inner + 2 * s.groups * s.d_state, 1 if back else -1
    base = row * s.length * s.stride + d_inner + channel
    for i in range(s.chunk):
        t, here = first + i, out.start + i * width
        if t >= s.length:
            for c in range(0, width, LANES):
                store(out.array, here + c, splat(ZERO))
            continue
        for c in range(0, width, LANES):
            v = load(bias, channel + c)
            for k in range(s.d_conv):
                source = t + direction * (s.d_conv - 1 - k)
                if 0 <= source < s.length:
                    w = load(weight, k * conv_dim + channel + c)
                    v = muladd(w, load(zxbc, base + source * s.stride + c), v)
            store(out.array, here + c, mul(v, sigmoid(v)))


@compiled
def chunk_scores(
    scores: Array, B: Array, C: Array, turned: Array, q: int, k: int, triangle: int
) -> None:
    """``scores[t, s] = C_t . B_s`` (q, q) where s may reach t, 0 elsewhere.

    ``turned`` (k, q) is scratch for the transpose of B.
    """
    copy(tile(turned, 0, q), transposed(tile(B, 0, k)), k, q)
    product(tile(scores, 0, q), ZERO, tile(C, 0, k), tile(turned, 0, q), (q, q, k), ALL)
    keep_triangle(scores, q, triangle)


@compiled
def chunk_decays(
    arrays: MixerArrays,
    s: ScanShape,
    row: int,
    first: int,
    back: bool,
    head: int,
    steps: Array,
    decay: Array,
) -> float:
    """How the positions of a chunk reach one another, for one head.

    Returns the decay over the whole chunk, and fills

    decay (q, q)
        ``exp(seg[t, s]) * dt_s``; right in the triangle, finite elsewhere.
    steps (STEPS, q)
        ``CUM``, running sums of dt * A / log 2; ``DT``; ``TO_STATE``, factors of what a position
        adds to the state after the chunk, and ``FROM_STATE``, of what it reads from the state
        before it; ``REST``, what rounding took from the running sums: where decay is fast the sums
        are large, and neighbors differ by little.
    """
    q, cum, a = s.chunk, 0.0, np.float64(arrays.A[head]) / _LOG_2
    rest_at = REST * q
    for i in range(q):
        dt = ZERO
        if first + i < s.length:
            dt = arrays.dt[(row * s.length + first + i) * s.heads + head]
        before, cum = cum, cum + np.float64(dt) * a
        exact = -before if back else cum
        steps[i], steps[DT * q + i] = np.float32(exact), dt
        steps[rest_at + i] = np.float32(exact - np.float64(steps[i]))
    end = np.float32(cum)
    end_rest, zero = splat(np.float32(cum - np.float64(end))), splat(ZERO)
    for i in range(0, q, LANES):
        high, rest = load(steps, i), load(steps, rest_at + i)
        to_state = _minus(zero if back else splat(end), high, zero if back else end_rest, rest)
        from_state = high
        if back:
            from_state = add(add(splat(end), high), add(end_rest, rest))
        to_state = exp2(clamp(to_state, _LEAST, _MOST))
        store(steps, TO_STATE * q + i, mul(to_state, load(steps, DT * q + i)))
        store(steps, FROM_STATE * q + i, exp2(clamp(from_state, _LEAST, _MOST)))
    for i in range(q):
        high, rest = splat(steps[i]), splat(steps[rest_at + i])
        begin, stop = (i // LANES * LANES, q) if back else (0, i + 1)
        for j in range(begin, stop, LANES):
            power = _minus(high, load(steps, j), rest, load(steps, rest_at + j))
            power = clamp(power, _LEAST, _MOST)
            store(decay, i * q + j, mul(exp2(power), load(steps, DT * q + j)))
    return steps[FROM_STATE * q] if back else steps[FROM_STATE * q + q - 1]


@compiled
def _minus(high, other_high, rest, other_rest):  # type: ignore[no-untyped-def]
    """``high + rest`` less ``other_high + other_rest``, exact where the result is small."""
    return add(sub(high, other_high), sub(rest, other_rest))


@compiled
def chunk_weights(weights: Array, decay: Array, scores: Array, q: int) -> None:
    """``weights[t, s] = decay[t, s] * scores[t, s]``; the arrays may be one."""
    for i in range(0, q * q, LANES):
        store(weights, i, mul(load(decay, i), load(scores, i)))


@compiled
def scale_rows(out: Array, a: Tile, factors: Array, which: int, rows: int) -> None:
    """``out`` (rows, columns): each row of ``a`` times a factor, row ``which`` of ``factors``."""
    columns = a.row
    for i in range(rows):
        factor = splat(factors[which * rows + i])
        for j in range(0, columns, LANES):
            store(out, i * columns + j, mul(load(a.array, a.start + i * columns + j), factor))
