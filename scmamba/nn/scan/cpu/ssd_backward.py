"""The compiled loops of convolution and scan of Mamba-2 on a CPU, backward.

Units are those of :mod:`scmamba.nn.scan.cpu.ssd_forward`. Each walks through its runs of chunks
from the last to the first: the states of a run are computed again from the one before it
(:mod:`scmamba.nn.scan.cpu.ssd_replay`), then its chunks give their gradients, one function per
equation (:mod:`scmamba.nn.scan.cpu.ssd_gradients`).
"""

from __future__ import annotations

import numpy as np

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lanes import LANES, load, store
from scmamba.nn.scan.cpu.ssd_chunk import (
    FROM_STATE,
    RUN,
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
from scmamba.nn.scan.cpu.ssd_replay import Unit, chunk_start, replay_states
from scmamba.nn.scan.cpu.ssd_scratch import ScanGradients, Scratch, new_flows, scratch
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
    w, flows = scratch(s), new_flows(s.chunk)
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
            replay_states(arrays, initial_states, s, unit, run, length, w)
            for i in range(length - 1, -1, -1):
                first = chunk_start(s, n, run * RUN + i, unit.back)
                _backward_chunk(arrays, gradients, s, unit, first, i, w, flows, dA, dD)
        at = scan * s.heads + unit.head
        gradients.rates[at : at + s.unit_heads] = dA
        at += len(gradients.rates) // 2
        gradients.rates[at : at + s.unit_heads] = dD


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
