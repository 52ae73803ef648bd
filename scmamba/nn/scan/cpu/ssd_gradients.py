"""Gradients of one chunk of a Mamba-2 scan on a CPU, for one head: one function per equation.

The letters are those of :mod:`scmamba.nn.scan.chunks`. ``state`` is the state before the chunk,
``dstate'`` the gradient of the state after it, both (k, p). What decays scale is gathered for each
position u of the chunk, since the gradient of a_u = dt_u A is the sum of all that crosses u:

    da_u = crossing_u + sum of taken_t for t from u on + sum of given_s for s before u + through
    ddt_u = own_u / dt_u + A da_u                         dA = sum of dt_u da_u

(causal; the other way round in reverse).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.lane_math import add, mul, muladd, total
from scmamba.nn.scan.cpu.lanes import LANES, load, splat, store
from scmamba.nn.scan.cpu.ssd_chunk import DT
from scmamba.nn.scan.cpu.tiles import ALL, ONE, ZERO, Array, Tile, product, tile, transposed


class Flows(NamedTuple):
    """What decays scale, for each position u of a chunk (q,)."""

    crossing: Array  # from s before u to t from u on, within the chunk
    own: Array  # from u to anywhere
    taken: Array  # from the state before the chunk to u
    given: Array  # from u to the state after the chunk


@compiled
def read_dy(dy: Array, x: Array, source: Tile, own_x: Tile, tokens: int, q: int) -> float:
    """Copy the gradient of y, ``source`` (tokens, p), to ``dy`` (q, p), zeros behind the end.

    Returns the gradient of the skip connection, ``dD = sum of dy_t . x_t``.
    """
    p, skipped = own_x.row, 0.0
    for t in range(q):
        direct = splat(ZERO)
        for c in range(0, p, LANES):
            g = splat(ZERO)
            if t < tokens:
                g = load(source.array, source.start + t * source.row + c)
                direct = muladd(g, load(x, own_x.start + t * p + c), direct)
            store(dy, t * p + c, g)
        skipped += total(direct)
    return skipped


@compiled
def grad_x(
    dx: Tile, weights: Tile, dy: Tile, B_to_state: Tile, dstate: Tile, q: int, triangle: int
) -> None:
    """``dx_s = sum over t of weights[t, s] dy_t + to_state_s dstate'^T B_s``, without the skip.

    ``triangle`` is that of the transposed weights.
    """
    p, k = dx.row, B_to_state.row
    product(dx, ZERO, transposed(weights), dy, (q, p, q), triangle)
    product(dx, ONE, B_to_state, dstate, (q, p, k), ALL)


@compiled
def write_dx(
    out: Tile, dx: Array, own_x: Tile, dy: Array, D: float, own: Array, tokens: int, q: int
) -> None:
    """``out = dx + D dy`` (tokens, p), and ``own_u = x_u . dx_u``."""
    p = own_x.row
    for u in range(q):
        grown = splat(ZERO)
        for c in range(0, p, LANES):
            g = load(dx, u * p + c)
            grown = muladd(g, load(own_x.array, own_x.start + u * p + c), grown)
            if u < tokens:
                g = muladd(splat(D), load(dy, u * p + c), g)
                store(out.array, out.start + u * out.row + c, g)
        own[u] = total(grown)


@compiled
def grad_scores(
    dscores: Array,
    dweights: Array,
    decay: Array,
    scores: Array,
    columns: Array,
    crossing: Array,
    q: int,
    back: bool,
) -> None:
    """``dscores[t, s] += dweights[t, s] decay[t, s]``, and what crosses each position.

    With ``dweights[t, s] = dy_t . x_s``, ``crossing_u`` is the sum of ``dweights * weights`` over
    s < u <= t (t <= u < s in reverse). Rows are walked from the scan's end; ``columns`` (q,) sums
    what each s gives to the rows seen so far, so that those before the row remain to be added.
    """
    columns[:] = ZERO
    for i in range(q):
        t = i if back else q - 1 - i
        edge = t // LANES * LANES
        low, high = (edge, q) if back else (0, t + 1)
        for c in range(low, high, LANES):
            v = mul(load(dweights, t * q + c), load(decay, t * q + c))
            store(dscores, t * q + c, add(v, load(dscores, t * q + c)))
            store(columns, c, muladd(v, load(scores, t * q + c), load(columns, c)))
        sums, rest = splat(ZERO), ZERO
        begin, stop = (edge + LANES, q) if back else (0, edge)
        for c in range(begin, stop, LANES):
            sums = add(load(columns, c), sums)
        first, last = (t + 1, edge + LANES) if back else (edge, t)
        for c in range(first, last):
            rest += columns[c]
        crossing[t] = total(sums) + rest


@compiled
def grad_through_state(
    gradient: Array, own: Array, scaled: Array, state: Tile, by: Array, flow: Array, q: int
) -> None:
    """Gradient of B or C by way of the state.

    ``own_u = scaled_u state^T`` (q, k) is added to ``gradient``, and ``flow_u = by_u . own_u``:

    B: ``scaled = to_state x``, ``state = dstate'``, ``by = B``: the flow is ``given``;
    C: ``scaled = from_state dy``, ``state = state``, ``by = C``: the flow is ``taken``.

    ``state`` is transposed, (p, k); ``own`` is scratch.
    """
    k = state.row
    p = len(scaled) // q
    product(tile(own, 0, k), ZERO, tile(scaled, 0, p), state, (q, k, p), ALL)
    for u in range(q):
        grown = splat(ZERO)
        for c in range(u * k, (u + 1) * k, LANES):
            g = load(own, c)
            grown = muladd(g, load(by, c), grown)
            store(gradient, c, add(g, load(gradient, c)))
        flow[u] = total(grown)


@compiled
def grad_state(dstate: Tile, kept: float, C_from_state: Tile, dy: Tile, q: int) -> None:
    """``dstate = total dstate' + (from_state C)^T dy``, in place of ``dstate'``."""
    p, k = dy.row, C_from_state.row
    product(dstate, kept, transposed(C_from_state), dy, (k, p, q), ALL)


@compiled
def grad_B_C(
    dB: Array, dC: Array, dscores: Array, B: Array, C: Array, q: int, triangle: int, other: int
) -> None:
    """``dB_s += sum_t of dscores[t, s] C_t`` and ``dC_t += sum_s of dscores[t, s] B_s``."""
    k = len(B) // q
    left = tile(dscores, 0, q)
    product(tile(dB, 0, k), ONE, transposed(left), tile(C, 0, k), (q, k, q), other)
    product(tile(dC, 0, k), ONE, left, tile(B, 0, k), (q, k, q), triangle)


@compiled
def grad_dt(
    ddt: Array,
    at: int,
    stride: int,
    A: float,
    steps: Array,
    flows: Flows,
    through: float,
    tokens: int,
    q: int,
    back: bool,
) -> float:
    """Gradients of a chunk's dt, at ``ddt[at]`` and every ``stride``; returns that of A.

    Equations at the head of this file; ``through = total <dstate', state>``.
    """
    ahead, dA = 0.0, 0.0
    for u in range(q):
        if back:
            ahead += flows.taken[u]
        flows.crossing[u] += ahead
        if not back:
            ahead += flows.given[u]
    behind = np.float64(through)
    for u in range(q - 1, -1, -1):
        if not back:
            behind += flows.taken[u]
        dt, da = steps[DT * q + u], flows.crossing[u] + behind
        if u < tokens:
            by_size = flows.own[u] / dt if dt > ZERO else ZERO
            ddt[at + u * stride] = by_size + da * A
            dA += da * dt
        if back:
            behind += flows.given[u]
    return dA


@compiled
def inner(a: Array, a_start: int, b: Array, b_start: int, size: int) -> float:
    """Sum of the products of ``size`` numbers."""
    sums = splat(ZERO)
    for i in range(0, size, LANES):
        sums = muladd(load(a, a_start + i), load(b, b_start + i), sums)
    return total(sums)
