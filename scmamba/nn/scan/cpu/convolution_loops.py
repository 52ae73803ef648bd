"""The compiled loops of a depthwise convolution with SiLU on a CPU, forward and backward.

A unit of work is a tile of tokens of one row. All arrays are flat and float32: y, dy, dx of
(b, L, d); x of (b, L, stride), whose first d channels count; tail (b, taps - 1, d), what lies
before the first token, or with ``reverse`` behind the last; weight (taps, d); bias (d,). d is a
multiple of ``LANES``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lanes import LANES, load, mul, muladd, sigmoid, splat, store

Array = npt.NDArray[np.float32]

TILE = 64  # tokens
WIDE = 64  # channels at a time

_ZERO, _ONE, _MINUS = np.float32(0), np.float32(1), np.float32(-1)


@compiled
def forward(
    x: Array,
    tail: Array,
    weight: Array,
    bias: Array,
    y: Array,
    sizes: tuple[int, int, int, int],
    reverse: bool,
    start: int,
    stop: int,
) -> None:
    """Convolve units ``start`` to ``stop``; ``sizes`` are L, d, stride, taps."""
    length, d, _, taps = sizes
    tiles = -(-length // TILE)
    window = np.empty((TILE + taps - 1) * WIDE, dtype=np.float32)
    before = np.empty(TILE * WIDE, dtype=np.float32)
    for unit in range(start, stop):
        row, first = unit // tiles, unit % tiles * TILE
        last = min(first + TILE, length)
        for wide in range(0, d, WIDE):
            width = min(WIDE, d - wide)
            low = first if reverse else first - taps + 1
            _copy(x, tail, window, sizes, row, low, last - first + taps - 1, wide, width)
            _convolve(window, weight, bias, before, sizes, reverse, last - first, wide, width)
            for t in range(first, last):
                for c in range(0, width, LANES):
                    total = load(before, (t - first) * WIDE + c)
                    store(y, (row * length + t) * d + wide + c, mul(total, sigmoid(total)))


@compiled
def _copy(
    x: Array,
    tail: Array,
    window: Array,
    sizes: tuple[int, int, int, int],
    row: int,
    low: int,
    tokens: int,
    wide: int,
    width: int,
) -> None:
    """Inputs from token ``low`` on to ``window`` (tokens, WIDE), the tail's where it reaches."""
    length, d, stride, taps = sizes
    for i in range(tokens):
        source = low + i
        for c in range(0, width, LANES):
            if source < 0 or source >= length:
                beyond = source + taps - 1 if source < 0 else source - length
                v = load(tail, (row * (taps - 1) + beyond) * d + wide + c)
            else:
                v = load(x, (row * length + source) * stride + wide + c)
            store(window, i * WIDE + c, v)


@compiled
def backward(
    x: Array,
    tail: Array,
    weight: Array,
    bias: Array,
    dy: Array,
    dx: Array,
    dweight: Array,
    dbias: Array,
    sizes: tuple[int, int, int, int],
    reverse: bool,
    start: int,
    stop: int,
) -> None:
    """Gradients of units ``start`` to ``stop``, none of ``tail``.

    ``dweight`` (b, tiles, taps, d) and ``dbias`` (b, tiles, d) come in as zeros; what is left to
    the caller is their sum over rows and tiles.
    """
    length, d, _, taps = sizes
    tiles, halo = -(-length // TILE), taps - 1
    window = np.empty((TILE + 2 * halo) * WIDE, dtype=np.float32)
    before = np.empty((TILE + halo) * WIDE, dtype=np.float32)
    inner = np.empty((TILE + halo) * WIDE, dtype=np.float32)  # gradients before SiLU
    for unit in range(start, stop):
        row, first = unit // tiles, unit % tiles * TILE
        last = min(first + TILE, length)
        base = first - halo if reverse else first  # of the tokens that read this tile
        low, high = max(base, 0), min(base + last - first + halo, length)
        for wide in range(0, d, WIDE):
            width = min(WIDE, d - wide)
            source = low if reverse else low - halo
            _copy(x, tail, window, sizes, row, source, high - low + halo, wide, width)
            _convolve(window, weight, bias, before, sizes, reverse, high - low, wide, width)
            inner[:] = _ZERO
            for t in range(low, high):
                for c in range(0, width, LANES):
                    total = load(before, (t - low) * WIDE + c)
                    s = sigmoid(total)
                    rest = muladd(s, splat(_MINUS), splat(_ONE))  # 1 - s
                    slope = mul(s, muladd(total, rest, splat(_ONE)))
                    g = mul(load(dy, (row * length + t) * d + wide + c), slope)
                    store(inner, (t - base) * WIDE + c, g)
                    if first <= t < last:
                        at = unit * d + wide + c
                        store(dbias, at, muladd(g, splat(_ONE), load(dbias, at)))
                        for tap in range(taps):
                            near = halo - tap if reverse else tap
                            v = load(window, (t - low + near) * WIDE + c)
                            at = (unit * taps + tap) * d + wide + c
                            store(dweight, at, muladd(g, v, load(dweight, at)))
            for t in range(first, last):
                for c in range(0, width, LANES):
                    total = splat(_ZERO)
                    for tap in range(taps):
                        far = tap if reverse else halo - tap
                        g = load(inner, (t - first + far) * WIDE + c)
                        total = muladd(g, load(weight, tap * d + wide + c), total)
                    store(dx, (row * length + t) * d + wide + c, total)


@compiled
def _convolve(
    window: Array,
    weight: Array,
    bias: Array,
    before: Array,
    sizes: tuple[int, int, int, int],
    reverse: bool,
    tokens: int,
    wide: int,
    width: int,
) -> None:
    """Convolution ``before`` (tokens, WIDE) of SiLU, of the window's tokens."""
    d, taps = sizes[1], sizes[3]
    for t in range(tokens):
        for c in range(0, width, LANES):
            total = load(bias, wide + c)
            for tap in range(taps):
                near = taps - 1 - tap if reverse else tap
                v = load(window, (t + near) * WIDE + c)
                total = muladd(v, load(weight, tap * d + wide + c), total)
            store(before, t * WIDE + c, total)
