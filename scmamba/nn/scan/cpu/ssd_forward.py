"""The compiled loops between a Mamba-2 mixer's projections on a CPU: convolution, scan, gate, norm.

A unit of the scan is one direction of one row for some heads. It walks from chunk to chunk with the
state at hand, and all else that it computes stays in the cache; the mathematics is that of
:mod:`scmamba.nn.scan.chunks`. All arrays are flat and float32:

    zxbc    (b, L, stride)    gate, then x, B, C before the convolution, then what is not read here
    dt      (b, L, heads)     0 at padding
    y       (directions, b, L, d_inner)       of the scan, with the skip connection
    enters  (directions, b, runs, heads, d_state, headdim)   states that enter each run of chunks
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lanes import LANES, exp2, load, mul, muladd, sigmoid, splat, store
from scmamba.nn.scan.cpu.tiles import (
    ALL,
    FROM,
    UP_TO,
    Array,
    clamp,
    keep_triangle,
    product,
    total,
    transpose,
)

Flags = npt.NDArray[np.bool_]

RUN = 4
"""Chunks between states that are kept for the backward pass."""

TILE = 64
"""Tokens in a unit of gate and norm."""

STEPS = 5
"""Numbers that :func:`decays` keeps of each position."""

_ZERO, _ONE, _MINUS = np.float32(0), np.float32(1), np.float32(-1)
_LOG_2 = math.log(2)
_LEAST, _MOST = np.float32(-63), np.float32(0)  # powers of two that leave no denormal numbers


class Given(NamedTuple):
    """What a mixer computes from."""

    zxbc: Array
    dt: Array
    A: Array  # (heads,)
    D: Array  # (heads,)
    weight: Array  # (taps, conv_dim)
    bias: Array  # (conv_dim,)


class Shape(NamedTuple):
    """Sizes that the arrays do not say."""

    rows: int  # b
    length: int  # L
    stride: int  # numbers of zxbc a token
    heads: int
    headdim: int  # a multiple of LANES, as are d_state and chunk
    groups: int
    d_state: int
    taps: int
    chunk: int
    share: int  # heads of a unit, all of one group


@compiled
def forward(
    given: Given,
    y: Array,
    enters: Array,
    s: Shape,
    reverse: Flags,
    start: int,
    stop: int,
) -> None:
    """Convolution and scan of units ``start`` to ``stop``; ``enters`` is filled unless empty."""
    q, p, n = s.chunk, s.headdim, s.d_state
    chunks, parts, d_inner = -(-s.length // q), s.heads // s.share, s.heads * p
    tile, state = q * p, n * p
    runs = -(-chunks // RUN)
    x = np.empty(s.share * tile, np.float32)
    B, C = _pair(q * n)
    B_scaled, C_scaled = _pair(q * n)
    B_turned = np.empty(n * q, np.float32)
    scores, weights = _pair(q * q)
    states, steps = np.empty(s.share * state, np.float32), np.empty(STEPS * q, np.float32)
    for unit in range(start, stop):
        lane, head = unit // parts, unit % parts * s.share
        direction, row = lane // s.rows, lane % s.rows
        back = reverse[direction]
        terms = FROM if back else UP_TO
        states[:] = _ZERO
        for i in range(chunks):
            first = (chunks - 1 - i if back else i) * q
            if len(enters) and i % RUN == 0:
                at = (lane * runs + i // RUN) * s.heads + head
                enters[at * state : (at + s.share) * state] = states
            activate(given, s, row, first, back, head, x, B, C)
            transpose(B_turned, 0, q, B, 0, n, q, n)
            product(scores, 0, q, _ZERO, C, 0, n, 1, B_turned, 0, q, (q, q, n), ALL)
            keep_triangle(scores, q, terms)
            for j in range(s.share):
                keep = decays(given, s, row, first, back, head + j, steps, weights)
                for k in range(0, q * q, LANES):
                    store(weights, k, mul(load(weights, k), load(scores, k)))
                for k in range(q):
                    weights[k * q + k] += given.D[head + j]
                scale_rows(B_scaled, B, steps, 2 * q, q, n)
                scale_rows(C_scaled, C, steps, 3 * q, q, n)
                out = (lane * s.length + first) * d_inner + (head + j) * p
                size, tokens = j * state, min(q, s.length - first)
                product(
                    y, out, d_inner, _ZERO, weights, 0, q, 1, x, j * tile, p, (tokens, p, q), terms
                )
                product(
                    y, out, d_inner, _ONE, C_scaled, 0, n, 1, states, size, p, (tokens, p, n), ALL
                )
                product(states, size, p, keep, B_scaled, 0, 1, n, x, j * tile, p, (n, p, q), ALL)


@compiled
def gate(
    y: Array,
    zxbc: Array,
    norm: Array,
    out: Array,
    s: Shape,
    eps: float,
    directions: int,
    start: int,
    stop: int,
) -> None:
    """Sum over directions of the gated, normed scan for tiles ``start`` to ``stop`` of tokens."""
    d_inner, tiles = s.heads * s.headdim, -(-s.length // TILE)
    width = d_inner // s.groups
    gates = np.empty(width, np.float32)
    for unit in range(start, stop):
        row, first = unit // tiles, unit % tiles * TILE
        for t in range(first, min(first + TILE, s.length)):
            token = row * s.length + t
            for group in range(s.groups):
                z, here = token * s.stride + group * width, token * d_inner + group * width
                for c in range(0, width, LANES):
                    v = load(zxbc, z + c)
                    store(gates, c, mul(v, sigmoid(v)))
                for direction in range(directions):
                    source = direction * s.rows * s.length * d_inner + here
                    squares = splat(_ZERO)
                    for c in range(0, width, LANES):
                        v = mul(load(y, source + c), load(gates, c))
                        squares = muladd(v, v, squares)
                    scale = splat(_ONE / np.sqrt(total(squares) / np.float32(width) + eps))
                    for c in range(0, width, LANES):
                        v = mul(mul(load(y, source + c), load(gates, c)), scale)
                        v = mul(v, load(norm, group * width + c))
                        if direction > 0:
                            v = muladd(load(out, here + c), splat(_ONE), v)
                        store(out, here + c, v)


@compiled
def activate(
    given: Given,
    s: Shape,
    row: int,
    first: int,
    back: bool,
    head: int,
    x: Array,
    B: Array,
    C: Array,
) -> None:
    """Convolution and SiLU of a chunk: x (share, chunk, headdim), B and C (chunk, d_state)."""
    d_inner, group = s.heads * s.headdim, head // (s.heads // s.groups)
    for j in range(s.share):
        place = x, j * s.chunk * s.headdim, s.headdim
        _convolve(given, s, row, first, back, (head + j) * s.headdim, place)
    for k in range(2):
        channel = d_inner + (k * s.groups + group) * s.d_state
        place = (C if k else B), 0, s.d_state
        _convolve(given, s, row, first, back, channel, place)


@compiled
def _convolve(given, s, row, first, back, channel, place):  # type: ignore[no-untyped-def]
    """``width`` channels of a chunk; zeros behind the end of the sequence."""
    zxbc, weight, bias = given.zxbc, given.weight, given.bias
    out, start, width = place
    d_inner = s.heads * s.headdim
    channels, step = d_inner + 2 * s.groups * s.d_state, 1 if back else -1
    base = row * s.length * s.stride + d_inner + channel
    for i in range(s.chunk):
        t, here = first + i, start + i * width
        if t >= s.length:
            for c in range(0, width, LANES):
                store(out, here + c, splat(_ZERO))
            continue
        for c in range(0, width, LANES):
            v = load(bias, channel + c)
            for tap in range(s.taps):
                source = t + step * (s.taps - 1 - tap)
                if 0 <= source < s.length:
                    w = load(weight, tap * channels + channel + c)
                    v = muladd(w, load(zxbc, base + source * s.stride + c), v)
            store(out, here + c, mul(v, sigmoid(v)))


@compiled
def decays(
    given: Given,
    s: Shape,
    row: int,
    first: int,
    back: bool,
    head: int,
    steps: Array,
    decay: Array,
) -> float:
    """How a chunk's positions reach one another, for one head; returns the decay over the chunk.

    ``decay`` (chunk, chunk) is right in the triangle, finite elsewhere. ``steps`` (STEPS, chunk)
    are running sums of dt * A / log 2, dt, factors of what enters the state and is read from it,
    and what rounding took from the running sums: neighbors differ by little where decay is fast.
    """
    q, cum, a, low = s.chunk, 0.0, np.float64(given.A[head]) / _LOG_2, (STEPS - 1) * s.chunk
    for i in range(q):
        step = _ZERO
        if first + i < s.length:
            step = given.dt[(row * s.length + first + i) * s.heads + head]
        before, cum = cum, cum + np.float64(step) * a
        exact = -before if back else cum
        steps[i], steps[q + i] = np.float32(exact), step
        steps[low + i] = np.float32(exact - np.float64(steps[i]))
    end = np.float32(cum)
    end_low, zero = splat(np.float32(cum - np.float64(end))), splat(_ZERO)
    for i in range(0, q, LANES):
        high, rest = load(steps, i), load(steps, low + i)
        into = _minus(zero if back else splat(end), high, zero if back else end_low, rest)
        out = high
        if back:
            out = _minus(splat(end), mul(high, splat(_MINUS)), end_low, mul(rest, splat(_MINUS)))
        into = exp2(clamp(into, _LEAST, _MOST))
        store(steps, 2 * q + i, mul(into, load(steps, q + i)))
        store(steps, 3 * q + i, exp2(clamp(out, _LEAST, _MOST)))
    for i in range(q):
        high, rest = splat(steps[i]), splat(steps[low + i])
        begin, stop = (i // LANES * LANES, q) if back else (0, i + 1)
        for j in range(begin, stop, LANES):
            power = _minus(high, load(steps, j), rest, load(steps, low + j))
            power = clamp(power, _LEAST, _MOST)
            store(decay, i * q + j, mul(exp2(power), load(steps, q + j)))
    return steps[3 * q] if back else steps[4 * q - 1]


@compiled
def _minus(high, other_high, low, other_low):  # type: ignore[no-untyped-def]
    """``high + low`` less ``other_high + other_low``, exact where the result is small."""
    rest = muladd(other_low, splat(_MINUS), low)
    return muladd(muladd(other_high, splat(_MINUS), high), splat(_ONE), rest)


@compiled
def scale_rows(out: Array, a: Array, factors: Array, at: int, rows: int, columns: int) -> None:
    """``out`` (rows, columns): each row of ``a`` times a factor, ``factors[at]`` and on."""
    for i in range(rows):
        factor = splat(factors[at + i])
        for j in range(0, columns, LANES):
            store(out, i * columns + j, mul(load(a, i * columns + j), factor))


@compiled
def _pair(size: int) -> tuple[Array, Array]:
    return np.empty(size, np.float32), np.empty(size, np.float32)
