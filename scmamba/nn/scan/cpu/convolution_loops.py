"""The compiled loops of a depthwise convolution with SiLU on a CPU, forward and backward.

    u_t = bias + sum over i of weight_i x_{t + i - d_conv + 1}        y_t = u_t sigmoid(u_t)

(with ``reverse``, x_{t - i + d_conv - 1}). A unit of work is a tile of tokens of one row. Arrays
are flat and float32: y, dy, dx of (b, L, d); x of (b, L, stride), whose first d channels count;
conv_state (b, d_conv - 1, d), inputs before the first token, or with ``reverse`` behind the last;
weight (d_conv, d); bias (d,). d is a multiple of ``LANES``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lane_math import add, mul, muladd, sigmoid, sub
from scmamba.nn.scan.cpu.lanes import LANES, load, splat, store

Array = npt.NDArray[np.float32]

TILE = 64
"""Tokens in a unit of work."""

WIDE = 64
"""Channels that are computed at a time."""

_ZERO, _ONE = np.float32(0), np.float32(1)


class ConvShape(NamedTuple):
    """Sizes that the arrays do not say."""

    length: int  # L
    channels: int  # d
    stride: int  # numbers of x per token
    d_conv: int


class Span(NamedTuple):
    """Channels that are computed at a time, and the row and direction they are of."""

    row: int
    channel: int  # the first
    width: int  # their number, at most WIDE
    reverse: bool


@compiled
def forward(
    x: Array,
    conv_state: Array,
    weight: Array,
    bias: Array,
    y: Array,
    s: ConvShape,
    reverse: bool,
    start: int,
    stop: int,
) -> None:
    """Convolve units ``start`` to ``stop``."""
    tiles, halo = -(-s.length // TILE), s.d_conv - 1
    window = np.empty((TILE + halo) * WIDE, dtype=np.float32)
    u = np.empty(TILE * WIDE, dtype=np.float32)
    for unit in range(start, stop):
        row, first = unit // tiles, unit % tiles * TILE
        tokens = min(TILE, s.length - first)
        for channel in range(0, s.channels, WIDE):
            span = Span(row, channel, min(WIDE, s.channels - channel), reverse)
            low = first if reverse else first - halo
            _read(x, conv_state, window, s, span, low, tokens + halo)
            _convolve(window, weight, bias, u, s, span, tokens)
            for t in range(tokens):
                out = (row * s.length + first + t) * s.channels + channel
                for c in range(0, span.width, LANES):
                    v = load(u, t * WIDE + c)
                    store(y, out + c, mul(v, sigmoid(v)))


@compiled
def backward(
    x: Array,
    conv_state: Array,
    weight: Array,
    bias: Array,
    dy: Array,
    dx: Array,
    dweight: Array,
    dbias: Array,
    s: ConvShape,
    reverse: bool,
    start: int,
    stop: int,
) -> None:
    """Gradients of units ``start`` to ``stop``, none of ``conv_state``.

    ``dweight`` (b, tiles, d_conv, d) and ``dbias`` (b, tiles, d) come in as zeros; the caller sums
    them over rows and tiles.
    """
    tiles, halo = -(-s.length // TILE), s.d_conv - 1
    window = np.empty((TILE + 2 * halo) * WIDE, dtype=np.float32)
    u = np.empty((TILE + halo) * WIDE, dtype=np.float32)
    du = np.empty((TILE + halo) * WIDE, dtype=np.float32)
    for unit in range(start, stop):
        row, first = unit // tiles, unit % tiles * TILE
        last = min(first + TILE, s.length)
        base = first - halo if reverse else first  # of the tokens that read this tile
        low, high = max(base, 0), min(base + last - first + halo, s.length)
        for channel in range(0, s.channels, WIDE):
            span = Span(row, channel, min(WIDE, s.channels - channel), reverse)
            source = low if reverse else low - halo
            _read(x, conv_state, window, s, span, source, high - low + halo)
            _convolve(window, weight, bias, u, s, span, high - low)
            _grad_silu(dy, u, du, s, span, low, high, base)
            _grad_weight(window, du, dweight, dbias, s, span, unit, first, last, low, base)
            _grad_x(du, weight, dx, s, span, first, last)


@compiled
def _read(
    x: Array, conv_state: Array, window: Array, s: ConvShape, span: Span, low: int, tokens: int
) -> None:
    """Copy inputs from token ``low`` on to ``window`` (tokens, WIDE); the state holds the first."""
    for i in range(tokens):
        source = low + i
        for c in range(0, span.width, LANES):
            if source < 0 or source >= s.length:
                beyond = source + s.d_conv - 1 if source < 0 else source - s.length
                at = (span.row * (s.d_conv - 1) + beyond) * s.channels + span.channel + c
                v = load(conv_state, at)
            else:
                v = load(x, (span.row * s.length + source) * s.stride + span.channel + c)
            store(window, i * WIDE + c, v)


@compiled
def _convolve(
    window: Array, weight: Array, bias: Array, u: Array, s: ConvShape, span: Span, tokens: int
) -> None:
    """``u`` (tokens, WIDE), the convolution before SiLU, of the window's tokens."""
    for t in range(tokens):
        for c in range(0, span.width, LANES):
            v = load(bias, span.channel + c)
            for i in range(s.d_conv):
                near = s.d_conv - 1 - i if span.reverse else i
                w = load(weight, i * s.channels + span.channel + c)
                v = muladd(load(window, (t + near) * WIDE + c), w, v)
            store(u, t * WIDE + c, v)


@compiled
def _grad_silu(
    dy: Array, u: Array, du: Array, s: ConvShape, span: Span, low: int, high: int, base: int
) -> None:
    """``du = dy * sigmoid(u) (1 + u (1 - sigmoid(u)))`` of tokens ``low`` to ``high``."""
    du[:] = _ZERO
    for t in range(low, high):
        for c in range(0, span.width, LANES):
            v = load(u, (t - low) * WIDE + c)
            open_ = sigmoid(v)
            slope = mul(open_, muladd(v, sub(splat(_ONE), open_), splat(_ONE)))
            g = load(dy, (span.row * s.length + t) * s.channels + span.channel + c)
            store(du, (t - base) * WIDE + c, mul(g, slope))


@compiled
def _grad_weight(
    window: Array,
    du: Array,
    dweight: Array,
    dbias: Array,
    s: ConvShape,
    span: Span,
    unit: int,
    first: int,
    last: int,
    low: int,
    base: int,
) -> None:
    """``dweight_i = sum over t of du_t x_{t + i - d_conv + 1}`` and ``dbias = sum of du_t``."""
    for t in range(first, last):
        for c in range(0, span.width, LANES):
            g = load(du, (t - base) * WIDE + c)
            at = unit * s.channels + span.channel + c
            store(dbias, at, add(g, load(dbias, at)))
            for i in range(s.d_conv):
                near = s.d_conv - 1 - i if span.reverse else i
                v = load(window, (t - low + near) * WIDE + c)
                at = (unit * s.d_conv + i) * s.channels + span.channel + c
                store(dweight, at, muladd(g, v, load(dweight, at)))


@compiled
def _grad_x(
    du: Array, weight: Array, dx: Array, s: ConvShape, span: Span, first: int, last: int
) -> None:
    """``dx_t = sum over i of weight_i du_{t - i + d_conv - 1}`` of tokens ``first`` to ``last``."""
    for t in range(first, last):
        for c in range(0, span.width, LANES):
            v = splat(_ZERO)
            for i in range(s.d_conv):
                far = i if span.reverse else s.d_conv - 1 - i
                g = load(du, (t - first + far) * WIDE + c)
                v = muladd(g, load(weight, i * s.channels + span.channel + c), v)
            store(dx, (span.row * s.length + t) * s.channels + span.channel + c, v)
