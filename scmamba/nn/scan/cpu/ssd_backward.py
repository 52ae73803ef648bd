"""The compiled loops of convolution and scan of Mamba-2 on a CPU, backward.

Units are those of :mod:`scmamba.nn.scan.cpu.ssd_forward`. Each walks through its runs of chunks
from the last to the first: the states of a run are computed again from the one before it, then its
chunks give their gradients, :mod:`scmamba.nn.scan.cpu.ssd_gradients`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lanes import LANES, load, store
from scmamba.nn.scan.cpu.ssd_chunk import (
    FROM_STATE,
    RUN,
    STEPS,
    TO_STATE,
    MixerArrays,
    ScanShape,
    chunk_decays,
    chunk_scores,
    chunk_weights,
    conv_silu_chunk,
    scale_rows,
)
from scmamba.nn.scan.cpu.ssd_forward import Flags
from scmamba.nn.scan.cpu.ssd_gradients import (
    Flows,
    grad_B_C,
    grad_dt,
    grad_scores,
    grad_state,
    grad_through_state,
    grad_x,
    inner,
    read_dy,
    write_dx,
)
from scmamba.nn.scan.cpu.tiles import (
    ALL,
    LOWER,
    UPPER,
    ZERO,
    Array,
    copy,
    keep_triangle,
    product,
    tile,
    transposed,
)


class ScanGradients(NamedTuple):
    """What the units fill."""

    dy: Array  # (directions, b, L, d_inner) gradient of y; becomes that of x behind its SiLU
    dBC: Array  # (n_scans, units, L, 2 * k) of B and C behind their SiLU
    ddt: Array  # (directions, b, L, h)
    rates: Array  # (2, n_scans, h) of A and of D


class Unit(NamedTuple):
    """Which unit of work, and how it reads."""

    scan: int
    part: int
    head: int  # the first of its heads
    row: int
    back: bool


class Scratch(NamedTuple):
    """Arrays that a thread writes again and again; m is the number of heads of a unit."""

    x: Array  # (m, q, p)
    B: Array  # (q, k)
    C: Array  # (q, k)
    scores: Array  # (q, q)
    decay: Array  # (q, q)
    weights: Array  # (q, q)
    B_to_state: Array  # (q, k)
    C_from_state: Array  # (q, k)
    steps: Array  # (STEPS, q)
    turned: Array  # (k, q) or (p, q), a transpose
    scaled: Array  # (q, p)
    own: Array  # (q, k)
    columns: Array  # (q,)
    dy: Array  # (q, p)
    dx: Array  # (q, p)
    dB: Array  # (q, k)
    dC: Array  # (q, k)
    dscores: Array  # (q, q)
    dweights: Array  # (q, q)
    states: Array  # (RUN + 1, m, p, k) states before the chunks of a run, transposed
    dstates: Array  # (m, k, p)
    dstates_turned: Array  # (m, p, k)


@compiled
def backward(
    arrays: MixerArrays,
    initial_states: Array,
    gradients: ScanGradients,
    s: ScanShape,
    reverse: Flags,
    start: int,
    stop: int,
) -> None:
    """Gradients of units ``start`` to ``stop``."""
    n, parts = -(-s.length // s.chunk), s.heads // s.unit_heads
    w, flows = _scratch(s), _flows(s.chunk)
    dA, dD = np.empty(s.unit_heads, np.float64), np.empty(s.unit_heads, np.float64)
    for index in range(start, stop):
        scan, part = index // parts, index % parts
        unit = Unit(scan, part, part * s.unit_heads, scan % s.rows, reverse[scan // s.rows])
        w.dstates[:] = ZERO
        w.dstates_turned[:] = ZERO
        dA[:] = 0.0
        dD[:] = 0.0
        for run in range(-(-n // RUN) - 1, -1, -1):
            length = min(RUN, n - run * RUN)
            _replay_states(arrays, initial_states, s, unit, run, length, w)
            for i in range(length - 1, -1, -1):
                first = _first(s, n, run * RUN + i, unit.back)
                _backward_chunk(arrays, gradients, s, unit, first, i, w, flows, dA, dD)
        at = scan * s.heads + unit.head
        gradients.rates[at : at + s.unit_heads] = dA
        at += len(gradients.rates) // 2
        gradients.rates[at : at + s.unit_heads] = dD


@compiled
def _replay_states(
    arrays: MixerArrays,
    initial_states: Array,
    s: ScanShape,
    unit: Unit,
    run: int,
    length: int,
    w: Scratch,
) -> None:
    """States before the chunks of a run, turned: ``state' = total state + (to_state B)^T x``."""
    q, p, k = s.chunk, s.headdim, s.d_state
    n, state = -(-s.length // q), k * p
    runs, size = -(-n // RUN), s.unit_heads * state
    at = (unit.scan * runs + run) * s.heads + unit.head
    for j in range(s.unit_heads):
        source = transposed(tile(initial_states, (at + j) * state, p))
        copy(tile(w.states, j * state, k), source, p, k)
    for i in range(length):
        first = _first(s, n, run * RUN + i, unit.back)
        conv_silu_chunk(arrays, s, unit.row, first, unit.back, unit.head, w.x, w.B, w.C)
        w.states[(i + 1) * size : (i + 2) * size] = w.states[i * size : (i + 1) * size]
        for j in range(s.unit_heads):
            total = chunk_decays(
                arrays, s, unit.row, first, unit.back, unit.head + j, w.steps, w.decay
            )
            scale_rows(w.B_to_state, tile(w.B, 0, k), w.steps, TO_STATE, q)
            following = tile(w.states, (i + 1) * size + j * state, k)
            values, keys = transposed(tile(w.x, j * q * p, p)), tile(w.B_to_state, 0, k)
            product(following, total, values, keys, (p, k, q), ALL)


@compiled
def _backward_chunk(
    arrays: MixerArrays,
    gradients: ScanGradients,
    s: ScanShape,
    unit: Unit,
    first: int,
    i: int,
    w: Scratch,
    flows: Flows,
    dA: Array,
    dD: Array,
) -> None:
    """Gradients of the chunk ``i`` of a run, which begins at position ``first``, for all heads."""
    q, p, k = s.chunk, s.headdim, s.d_state
    back, d_inner, state = unit.back, s.heads * p, k * p
    triangle, other = (UPPER, LOWER) if back else (LOWER, UPPER)
    tokens, token = min(q, s.length - first), unit.scan * s.length + first
    conv_silu_chunk(arrays, s, unit.row, first, back, unit.head, w.x, w.B, w.C)
    chunk_scores(w.scores, w.B, w.C, w.turned, q, k, triangle)
    w.dscores[:] = ZERO
    w.dB[:] = ZERO
    w.dC[:] = ZERO
    B, C, B_to_state = tile(w.B, 0, k), tile(w.C, 0, k), tile(w.B_to_state, 0, k)
    C_from_state, dy, dx = tile(w.C_from_state, 0, k), tile(w.dy, 0, p), tile(w.dx, 0, p)
    for j in range(s.unit_heads):
        head = unit.head + j
        now, before = j * state, (i * s.unit_heads + j) * state
        x, dstate = tile(w.x, j * q * p, p), tile(w.dstates, now, p)
        total = chunk_decays(arrays, s, unit.row, first, back, head, w.steps, w.decay)
        chunk_weights(w.weights, w.decay, w.scores, q)
        scale_rows(w.B_to_state, B, w.steps, TO_STATE, q)
        scale_rows(w.C_from_state, C, w.steps, FROM_STATE, q)

        y = tile(gradients.dy, token * d_inner + head * p, d_inner)
        dD[j] += read_dy(w.dy, w.x, y, x, tokens, q)
        grad_x(dx, tile(w.weights, 0, q), dy, B_to_state, dstate, q, other)
        write_dx(y, w.dx, x, w.dy, arrays.D[head], flows.own, tokens, q)

        copy(tile(w.turned, 0, q), transposed(x), p, q)
        product(tile(w.dweights, 0, q), ZERO, dy, tile(w.turned, 0, q), (q, q, p), ALL)
        grad_scores(w.dscores, w.dweights, w.decay, w.scores, w.columns, flows.crossing, q, back)

        scale_rows(w.scaled, x, w.steps, TO_STATE, q)
        dstate_turned = tile(w.dstates_turned, now, k)
        grad_through_state(w.dB, w.own, w.scaled, dstate_turned, w.B, flows.given, q)
        scale_rows(w.scaled, dy, w.steps, FROM_STATE, q)
        own_state = tile(w.states, before, k)
        grad_through_state(w.dC, w.own, w.scaled, own_state, w.C, flows.taken, q)

        through = total * inner(w.dstates_turned, now, w.states, before, state)
        grad_state(dstate, total, C_from_state, dy, q)
        copy(dstate_turned, transposed(dstate), p, k)
        at = token * s.heads + head
        dA[j] += grad_dt(
            gradients.ddt, at, s.heads, arrays.A[head], w.steps, flows, through, tokens, q, back
        )
    keep_triangle(w.dscores, q, triangle)
    grad_B_C(w.dB, w.dC, w.dscores, w.B, w.C, q, triangle, other)
    parts = s.heads // s.unit_heads
    out = ((unit.scan * parts + unit.part) * s.length + first) * 2 * k
    _write_pairs(gradients.dBC, out, w.dB, w.dC, tokens, k)


@compiled
def _write_pairs(out: Array, at: int, dB: Array, dC: Array, tokens: int, k: int) -> None:
    """Gradients of B and C next to each other, token by token."""
    for t in range(tokens):
        for c in range(0, k, LANES):
            store(out, at + t * 2 * k + c, load(dB, t * k + c))
            store(out, at + t * 2 * k + k + c, load(dC, t * k + c))


@compiled
def _first(s: ScanShape, n: int, i: int, back: bool) -> int:
    """Position at which the chunk begins that is the ``i``-th in the order of the scan."""
    return (n - 1 - i if back else i) * s.chunk


@compiled
def _empty(size: int) -> Array:
    return np.empty(size, np.float32)


@compiled
def _flows(q: int) -> Flows:
    return Flows(_empty(q), _empty(q), _empty(q), _empty(q))


@compiled
def _scratch(s: ScanShape) -> Scratch:
    q, p, k, m = s.chunk, s.headdim, s.d_state, s.unit_heads
    return Scratch(
        _empty(m * q * p),
        _empty(q * k),
        _empty(q * k),
        _empty(q * q),
        _empty(q * q),
        _empty(q * q),
        _empty(q * k),
        _empty(q * k),
        _empty(STEPS * q),
        _empty(max(k, p) * q),
        _empty(q * p),
        _empty(q * k),
        _empty(q),
        _empty(q * p),
        _empty(q * p),
        _empty(q * k),
        _empty(q * k),
        _empty(q * q),
        _empty(q * q),
        _empty((RUN + 1) * m * k * p),
        _empty(m * k * p),
        _empty(m * k * p),
    )
