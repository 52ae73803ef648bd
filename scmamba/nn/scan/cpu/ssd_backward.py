"""Gradients of the compiled loops of :mod:`scmamba.nn.scan.cpu.ssd_forward`, by hand.

The scan's units walk through the runs of chunks from the last to the first: the states of a run are
computed again from the one that entered it. What each step means is said in
:mod:`scmamba.nn.scan.chunks`; arrays are those of the forward loops, and

    dy     (directions, b, L, d_inner)            gradient of y, then that of x behind its SiLU
    dBC    (directions, b, units, L, 2 * d_state)  of B and C behind their SiLU, unit by unit
    steps  (directions, b, L, heads)              of dt
    rates  (2, directions, b, heads)              of A and D
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lanes import LANES, load, mul, muladd, sigmoid, splat, store
from scmamba.nn.scan.cpu.ssd_forward import (
    RUN,
    STEPS,
    TILE,
    Flags,
    Given,
    Shape,
    activate,
    decays,
    scale_rows,
)
from scmamba.nn.scan.cpu.tiles import (
    ALL,
    FROM,
    UP_TO,
    Array,
    keep_triangle,
    product,
    total,
    transpose,
)

_ZERO, _ONE, _MINUS = np.float32(0), np.float32(1), np.float32(-1)


class Flows(NamedTuple):
    """What decays scale, for each position u of a chunk."""

    crossing: Array  # from s before u to t from u on, within the chunk
    own: Array  # from u to anywhere
    taken: Array  # from the state that enters to u
    given: Array  # from u to the state that leaves


class Gradients(NamedTuple):
    """What the scan's units fill."""

    dy: Array
    dBC: Array
    steps: Array
    rates: Array


@compiled
def backward(
    given: Given,
    enters: Array,
    gradients: Gradients,
    s: Shape,
    reverse: Flags,
    start: int,
    stop: int,
) -> None:
    """Gradients of the scan's units ``start`` to ``stop``."""
    q, p, n = s.chunk, s.headdim, s.d_state
    chunks, parts, d_inner = -(-s.length // q), s.heads // s.share, s.heads * p
    runs, tile, state = -(-chunks // RUN), q * p, n * p
    x = np.empty(s.share * tile, np.float32)
    B, C, dC = _three(q * n)
    B_turned, B_scaled, C_scaled = _three(n * q)
    scores, decay, weights = _three(q * q)
    dscores, dweights, dB = _three(q * max(q, n))
    x_turned, dx, dout = _three(tile)
    own_B, own_C = _three(q * n)[:2]  # gradients of B and C by the state of one head
    scaled, steps = np.empty(tile, np.float32), np.empty(STEPS * q, np.float32)
    flows, columns = Flows(*_four(q)), np.empty(q, np.float32)
    rates, skips = np.empty(s.share, np.float64), np.empty(s.share, np.float64)
    states = np.empty((RUN + 1) * s.share * state, np.float32)  # (p, n), as dturned
    dstates, dturned = _three(s.share * state)[:2]  # (n, p) and (p, n)
    for unit in range(start, stop):
        part, lane = unit % parts, unit // parts
        direction, head = lane // s.rows, part * s.share
        row, back = lane % s.rows, reverse[direction]
        terms, others = (FROM, UP_TO) if back else (UP_TO, FROM)
        dstates[:] = _ZERO
        dturned[:] = _ZERO
        rates[:] = 0.0
        skips[:] = 0.0
        for run in range(runs - 1, -1, -1):
            length = min(RUN, chunks - run * RUN)
            at = (lane * runs + run) * s.heads + head
            for j in range(s.share):
                transpose(states, j * state, n, enters, (at + j) * state, p, n, p)
            for i in range(length):
                first = (chunks - 1 - run * RUN - i if back else run * RUN + i) * q
                activate(given, s, row, first, back, head, x, B, C)
                here, following = i * s.share * state, (i + 1) * s.share * state
                states[following : following + s.share * state] = states[here:following]
                for j in range(s.share):
                    keep = decays(given, s, row, first, back, head + j, steps, decay)
                    scale_rows(B_scaled, B, steps, 2 * q, q, n)
                    product(
                        states,
                        following + j * state,
                        n,
                        keep,
                        x,
                        j * tile,
                        1,
                        p,
                        B_scaled,
                        0,
                        n,
                        (p, n, q),
                        ALL,
                    )
            for i in range(length - 1, -1, -1):
                first = (chunks - 1 - run * RUN - i if back else run * RUN + i) * q
                tokens = min(q, s.length - first)
                activate(given, s, row, first, back, head, x, B, C)
                transpose(B_turned, 0, q, B, 0, n, q, n)
                product(scores, 0, q, _ZERO, C, 0, n, 1, B_turned, 0, q, (q, q, n), ALL)
                keep_triangle(scores, q, terms)
                dscores[: q * q] = _ZERO
                dB[: q * n] = _ZERO
                dC[:] = _ZERO
                for j in range(s.share):
                    keep = decays(given, s, row, first, back, head + j, steps, decay)
                    for k in range(0, q * q, LANES):
                        store(weights, k, mul(load(decay, k), load(scores, k)))
                    scale_rows(B_scaled, B, steps, 2 * q, q, n)
                    scale_rows(C_scaled, C, steps, 3 * q, q, n)
                    token = lane * s.length + first
                    there = token * d_inner + (head + j) * p
                    skip = given.D[head + j]
                    skips[j] += _take(gradients.dy, x, there, d_inner, j * tile, tokens, q, p, dout)
                    # x, and what dt and A do to it
                    product(dx, 0, p, _ZERO, weights, 0, 1, q, dout, 0, p, (q, p, q), others)
                    product(
                        dx, 0, p, _ONE, B_scaled, 0, n, 1, dstates, j * state, p, (q, p, n), ALL
                    )
                    _give(
                        gradients.dy,
                        x,
                        there,
                        d_inner,
                        j * tile,
                        tokens,
                        q,
                        p,
                        skip,
                        dout,
                        dx,
                        flows.own,
                    )
                    # scores
                    transpose(x_turned, 0, q, x, j * tile, p, q, p)
                    product(dweights, 0, q, _ZERO, dout, 0, p, 1, x_turned, 0, q, (q, q, p), ALL)
                    _cross(dscores, dweights, decay, scores, columns, flows.crossing, q, back)
                    # B and C, by way of the state
                    now = (i * s.share + j) * state
                    scale_rows(scaled, x[j * tile : (j + 1) * tile], steps, 2 * q, q, p)
                    product(
                        own_B, 0, n, _ZERO, scaled, 0, p, 1, dturned, j * state, n, (q, n, p), ALL
                    )
                    _add_rows(dB, own_B, B, flows.given, q, n)
                    scale_rows(scaled, dout, steps, 3 * q, q, p)
                    product(own_C, 0, n, _ZERO, scaled, 0, p, 1, states, now, n, (q, n, p), ALL)
                    _add_rows(dC, own_C, C, flows.taken, q, n)
                    # the state
                    through = keep * _dot(dturned, j * state, states, now, state)
                    product(
                        dstates, j * state, p, keep, C_scaled, 0, 1, n, dout, 0, p, (n, p, q), ALL
                    )
                    transpose(dturned, j * state, n, dstates, j * state, p, n, p)
                    rates[j] += _steps(
                        gradients.steps,
                        given.A[head + j],
                        token * s.heads + head + j,
                        s.heads,
                        tokens,
                        q,
                        back,
                        through,
                        steps,
                        flows,
                    )
                keep_triangle(dscores, q, terms)
                product(dB, 0, n, _ONE, dscores, 0, 1, q, C, 0, n, (q, n, q), others)
                product(dC, 0, n, _ONE, dscores, 0, q, 1, B, 0, n, (q, n, q), terms)
                for k in range(tokens):
                    out = ((lane * parts + part) * s.length + first + k) * 2 * n
                    for c in range(0, n, LANES):
                        store(gradients.dBC, out + c, load(dB, k * n + c))
                        store(gradients.dBC, out + n + c, load(dC, k * n + c))
        for j in range(s.share):
            gradients.rates[lane * s.heads + head + j] = rates[j]
            gradients.rates[len(gradients.rates) // 2 + lane * s.heads + head + j] = skips[j]


@compiled
def _take(dy, x, there, d_inner, at, tokens, q, p, dout):  # type: ignore[no-untyped-def]
    """Gradient of y to ``dout`` (chunk, headdim); returns that of the skip connection."""
    skipped = 0.0
    for k in range(q):
        direct = splat(_ZERO)
        for c in range(0, p, LANES):
            g = splat(_ZERO)
            if k < tokens:
                g = load(dy, there + k * d_inner + c)
                direct = muladd(g, load(x, at + k * p + c), direct)
            store(dout, k * p + c, g)
        skipped += total(direct)
    return skipped


@compiled
def _give(dy, x, there, d_inner, at, tokens, q, p, skip, dout, dx, own):  # type: ignore[no-untyped-def]
    """Gradient of x to ``dy``; to ``own`` how all that x gives grows with its own dt."""
    for k in range(q):
        grown = splat(_ZERO)
        for c in range(0, p, LANES):
            g = load(dx, k * p + c)
            grown = muladd(g, load(x, at + k * p + c), grown)
            if k < tokens:
                g = muladd(splat(skip), load(dout, k * p + c), g)
                store(dy, there + k * d_inner + c, g)
        own[k] = total(grown)


@compiled
def _cross(dscores, dweights, decay, scores, columns, crossing, q, back):  # type: ignore[no-untyped-def]
    """Add a head's gradient of the scores; what crosses each position within the chunk.

    Row by row from the scan's end, ``columns`` (chunk,) gathers what each s gives to the rows seen
    so far; of these, the positions before the row are summed.
    """
    columns[:] = _ZERO
    for i in range(q):
        k = i if back else q - 1 - i
        low, high = (k // LANES * LANES, q) if back else (0, k + 1)
        for c in range(low, high, LANES):
            v = mul(load(dweights, k * q + c), load(decay, k * q + c))
            store(dscores, k * q + c, muladd(v, splat(_ONE), load(dscores, k * q + c)))
            store(columns, c, muladd(v, load(scores, k * q + c), load(columns, c)))
        sums, rest = splat(_ZERO), _ZERO
        edge = k // LANES * LANES
        begin, stop = (edge + LANES, q) if back else (0, edge)
        for c in range(begin, stop, LANES):
            sums = muladd(load(columns, c), splat(_ONE), sums)
        first, last = (k + 1, edge + LANES) if back else (edge, k)
        for c in range(first, last):
            rest += columns[c]
        crossing[k] = total(sums) + rest


@compiled
def _add_rows(out, own, by, flow, q, n):  # type: ignore[no-untyped-def]
    """Add ``own`` (chunk, d_state) to ``out``; to ``flow`` its product with ``by``, row by row."""
    for k in range(q):
        grown = splat(_ZERO)
        for c in range(k * n, (k + 1) * n, LANES):
            g = load(own, c)
            grown = muladd(g, load(by, c), grown)
            store(out, c, muladd(g, splat(_ONE), load(out, c)))
        flow[k] = total(grown)


@compiled
def _steps(dsteps, rate, at, stride, tokens, q, back, through, steps, flows):  # type: ignore[no-untyped-def]
    """Gradients of a chunk's dt; returns that of A.

    All that crosses a position grows with its dt * A: from before it to after it within the chunk,
    from the state that enters, into the one that leaves, and through the chunk.
    """
    ahead, drate = 0.0, 0.0
    for k in range(q):
        if back:
            ahead += flows.taken[k]
        flows.crossing[k] += ahead
        if not back:
            ahead += flows.given[k]
    behind = np.float64(through)
    for k in range(q - 1, -1, -1):
        if not back:
            behind += flows.taken[k]
        step, change = steps[q + k], flows.crossing[k] + behind
        if k < tokens:
            by_size = flows.own[k] / step if step > _ZERO else _ZERO
            dsteps[at + k * stride] = by_size + change * rate
            drate += change * step
        if back:
            behind += flows.given[k]
    return drate


@compiled
def _dot(a: Array, a_start: int, b: Array, b_start: int, size: int) -> float:
    sums = splat(_ZERO)
    for i in range(0, size, LANES):
        sums = muladd(load(a, a_start + i), load(b, b_start + i), sums)
    return total(sums)


@compiled
def _four(size: int) -> tuple[Array, Array, Array, Array]:
    return *_three(size), np.empty(size, np.float32)


@compiled
def _three(size: int) -> tuple[Array, Array, Array]:
    return np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)


@compiled
def gate_backward(
    y: Array,
    zxbc: Array,
    norm: Array,
    dout: Array,
    dy: Array,
    dzxbc: Array,
    dnorm: Array,
    s: Shape,
    width_out: int,
    eps: float,
    directions: int,
    start: int,
    stop: int,
) -> None:
    """Gradients of gate and norm for tiles ``start`` to ``stop`` of tokens.

    ``dzxbc`` (b, L, width_out) gets that of the gate, its first d_inner numbers; ``dnorm`` (tiles,
    d_inner) comes in as zeros and is left to be summed.
    """
    d_inner, tiles = s.heads * s.headdim, -(-s.length // TILE)
    width = d_inner // s.groups
    gates, slopes = _three(width)[:2]
    for unit in range(start, stop):
        row, first = unit // tiles, unit % tiles * TILE
        for t in range(first, min(first + TILE, s.length)):
            token = row * s.length + t
            for group in range(s.groups):
                channel = group * width
                z, here = token * s.stride + channel, token * d_inner + channel
                for c in range(0, width, LANES):
                    v = load(zxbc, z + c)
                    open_ = sigmoid(v)
                    gated = mul(v, open_)
                    store(gates, c, gated)
                    # slope of SiLU: open + gated * (1 - open)
                    rest = muladd(open_, splat(_MINUS), splat(_ONE))
                    store(slopes, c, muladd(gated, rest, open_))
                    store(dzxbc, token * width_out + channel + c, splat(_ZERO))
                for direction in range(directions):
                    source = direction * s.rows * s.length * d_inner + here
                    squares, shared = splat(_ZERO), splat(_ZERO)
                    for c in range(0, width, LANES):
                        v = mul(load(y, source + c), load(gates, c))
                        squares = muladd(v, v, squares)
                        g = mul(load(dout, here + c), load(norm, channel + c))
                        shared = muladd(g, v, shared)
                    scale = _ONE / np.sqrt(total(squares) / np.float32(width) + eps)
                    pull = splat(-total(shared) / np.float32(width) * scale * scale)
                    scale_ = splat(scale)
                    for c in range(0, width, LANES):
                        a, g = load(y, source + c), load(dout, here + c)
                        v = mul(a, load(gates, c))
                        at = unit * d_inner + channel + c
                        store(dnorm, at, muladd(mul(g, v), scale_, load(dnorm, at)))
                        g = mul(g, load(norm, channel + c))
                        g = mul(muladd(v, pull, g), scale_)
                        store(dy, source + c, mul(g, load(gates, c)))
                        at = token * width_out + channel + c
                        slope = mul(a, load(slopes, c))
                        store(dzxbc, at, muladd(g, slope, load(dzxbc, at)))
