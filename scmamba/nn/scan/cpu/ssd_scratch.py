"""Arrays that the backward loops of Mamba-2 on a CPU write: results, and scratch of a thread."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.ssd_chunk import RUN, STEPS, ScanShape
from scmamba.nn.scan.cpu.ssd_gradients import Flows
from scmamba.nn.scan.cpu.tiles import Array


class ScanGradients(NamedTuple):
    """What the units fill."""

    dy: Array  # (directions, b, L, d_inner) gradient of y; becomes that of x behind its SiLU
    dBC: Array  # (n_scans, units, L, 2 * k) of B and C behind their SiLU
    ddt: Array  # (directions, b, L, h)
    rates: Array  # (2, n_scans, h) of A and of D


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
def scratch(s: ScanShape) -> Scratch:
    """Arrays for units of the sizes ``s``; what they hold is not set."""
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


@compiled
def new_flows(q: int) -> Flows:
    """Flows of a chunk of ``q`` positions; what they hold is not set."""
    return Flows(_empty(q), _empty(q), _empty(q), _empty(q))


@compiled
def _empty(size: int) -> Array:
    return np.empty(size, np.float32)
