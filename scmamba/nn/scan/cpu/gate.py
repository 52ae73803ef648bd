"""The compiled loops of gate and RMS norm of Mamba-2 on a CPU, forward and backward.

A unit of work is a tile of ``TILE`` tokens of one row. For each direction and group of channels,

    v = y * silu(z)        r = 1 / sqrt(mean(v^2) + eps)        out += v * r * norm_weight

Arrays are flat and float32: y and dy (directions, b, L, d_inner), zxbc (b, L, stride) with the gate
z first, out and dout (b, L, d_inner).
"""

from __future__ import annotations

import numpy as np

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lane_math import add, mul, muladd, sigmoid, sub, total
from scmamba.nn.scan.cpu.lanes import LANES, load, splat, store
from scmamba.nn.scan.cpu.ssd_chunk import ScanShape
from scmamba.nn.scan.cpu.tiles import ONE, ZERO, Array

TILE = 64
"""Tokens in a unit of work."""


@compiled
def forward(
    y: Array,
    zxbc: Array,
    norm_weight: Array,
    out: Array,
    s: ScanShape,
    eps: float,
    directions: int,
    start: int,
    stop: int,
) -> None:
    """Sum over directions of the gated, normed scan for units ``start`` to ``stop``."""
    d_inner, tiles = s.heads * s.headdim, -(-s.length // TILE)
    width = d_inner // s.groups
    gates = np.empty(width, np.float32)
    for unit in range(start, stop):
        row, first = unit // tiles, unit % tiles * TILE
        for t in range(first, min(first + TILE, s.length)):
            token = row * s.length + t
            for group in range(s.groups):
                channel = group * width
                z, here = token * s.stride + channel, token * d_inner + channel
                for c in range(0, width, LANES):
                    v = load(zxbc, z + c)
                    store(gates, c, mul(v, sigmoid(v)))
                for direction in range(directions):
                    source = direction * s.rows * s.length * d_inner + here
                    squares = splat(ZERO)
                    for c in range(0, width, LANES):
                        v = mul(load(y, source + c), load(gates, c))
                        squares = muladd(v, v, squares)
                    scale = splat(ONE / np.sqrt(total(squares) / np.float32(width) + eps))
                    for c in range(0, width, LANES):
                        v = mul(mul(load(y, source + c), load(gates, c)), scale)
                        v = mul(v, load(norm_weight, channel + c))
                        if direction > 0:
                            v = add(load(out, here + c), v)
                        store(out, here + c, v)


@compiled
def backward(
    y: Array,
    zxbc: Array,
    norm_weight: Array,
    dout: Array,
    dy: Array,
    dzxbc: Array,
    dnorm_weight: Array,
    s: ScanShape,
    width_out: int,
    eps: float,
    directions: int,
    start: int,
    stop: int,
) -> None:
    """Gradients of gate and norm for units ``start`` to ``stop``.

    ``dzxbc`` (b, L, width_out) receives that of the gate, its first d_inner numbers, and ``dy``
    that of y; ``dnorm_weight`` (units, d_inner) comes in as zeros, and the caller sums it.
    """
    d_inner, tiles = s.heads * s.headdim, -(-s.length // TILE)
    width = d_inner // s.groups
    gates, slopes = np.empty(width, np.float32), np.empty(width, np.float32)
    for unit in range(start, stop):
        row, first = unit // tiles, unit % tiles * TILE
        for t in range(first, min(first + TILE, s.length)):
            token = row * s.length + t
            for group in range(s.groups):
                channel = group * width
                here, dz = token * d_inner + channel, token * width_out + channel
                _gates(zxbc, token * s.stride + channel, gates, slopes, dzxbc, dz, width)
                for direction in range(directions):
                    source = direction * s.rows * s.length * d_inner + here
                    scale, pull = _norm(
                        y, source, gates, dout, here, norm_weight, channel, width, eps
                    )
                    for c in range(0, width, LANES):
                        a, g = load(y, source + c), load(dout, here + c)
                        v, at = mul(a, load(gates, c)), unit * d_inner + channel + c
                        store(
                            dnorm_weight,
                            at,
                            muladd(mul(g, v), splat(scale), load(dnorm_weight, at)),
                        )
                        # dv = r (dout norm_weight + pull v)
                        g = mul(g, load(norm_weight, channel + c))
                        g = mul(muladd(v, splat(pull), g), splat(scale))
                        store(dy, source + c, mul(g, load(gates, c)))
                        slope = mul(a, load(slopes, c))
                        store(dzxbc, dz + c, muladd(g, slope, load(dzxbc, dz + c)))


@compiled
def _gates(zxbc, z, gates, slopes, dzxbc, dz, width):  # type: ignore[no-untyped-def]
    """SiLU of the gate and its slope; the gate's gradient starts from zero."""
    for c in range(0, width, LANES):
        v = load(zxbc, z + c)
        open_ = sigmoid(v)
        gated = mul(v, open_)
        store(gates, c, gated)
        # slope of SiLU: open + gated * (1 - open)
        store(slopes, c, muladd(gated, sub(splat(ONE), open_), open_))
        store(dzxbc, dz + c, splat(ZERO))


@compiled
def _norm(y, source, gates, dout, here, norm_weight, channel, width, eps):  # type: ignore[no-untyped-def]
    """``r``, and ``-r^2 mean(dout norm_weight v)``, the factor of v in its own gradient."""
    squares, along = splat(ZERO), splat(ZERO)
    for c in range(0, width, LANES):
        v = mul(load(y, source + c), load(gates, c))
        squares = muladd(v, v, squares)
        g = mul(load(dout, here + c), load(norm_weight, channel + c))
        along = muladd(g, v, along)
    scale = ONE / np.sqrt(total(squares) / np.float32(width) + eps)
    return scale, -total(along) / np.float32(width) * scale * scale
