"""The compiled loops of convolution and scan of Mamba-2 on a CPU, forward.

A unit of work is one direction of one row for some heads. It walks from chunk to chunk with the
state at hand; all else that it computes stays in the cache. Arrays are flat and float32:

    y               (directions, b, L, d_inner)    of the scan, with the skip connection
    initial_states  (n_scans, runs, h, k, p)       states before each run of chunks

A scan is one direction of one row: ``n_scans`` is the number of directions times rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled
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
from scmamba.nn.scan.cpu.tiles import (
    ALL,
    LOWER,
    ONE,
    UPPER,
    ZERO,
    Array,
    product,
    tile,
    transposed,
)

Flags = npt.NDArray[np.bool_]


@compiled
def forward(
    arrays: MixerArrays,
    y: Array,
    initial_states: Array,
    s: ScanShape,
    reverse: Flags,
    start: int,
    stop: int,
) -> None:
    """Convolution and scan of units ``start`` to ``stop``.

    ``reverse`` says of each direction whether it reads from the last position to the first;
    ``initial_states`` is filled unless it is empty.
    """
    q, p, k = s.chunk, s.headdim, s.d_state
    n, parts, d_inner = -(-s.length // q), s.heads // s.unit_heads, s.heads * p
    state, runs = k * p, -(-n // RUN)
    x, states = (
        np.empty(s.unit_heads * q * p, np.float32),
        np.empty(s.unit_heads * state, np.float32),
    )
    B, C = _pair(q * k)
    B_to_state, C_from_state = _pair(q * k)
    turned, steps = np.empty(k * q, np.float32), np.empty(STEPS * q, np.float32)
    scores, weights = _pair(q * q)
    for unit in range(start, stop):
        scan, head = unit // parts, unit % parts * s.unit_heads
        direction, row = scan // s.rows, scan % s.rows
        back = reverse[direction]
        triangle = UPPER if back else LOWER
        states[:] = ZERO
        for i in range(n):
            first = (n - 1 - i if back else i) * q
            if len(initial_states) and i % RUN == 0:
                at = (scan * runs + i // RUN) * s.heads + head
                initial_states[at * state : (at + s.unit_heads) * state] = states
            conv_silu_chunk(arrays, s, row, first, back, head, x, B, C)
            chunk_scores(scores, B, C, turned, q, k, triangle)
            for j in range(s.unit_heads):
                total = chunk_decays(arrays, s, row, first, back, head + j, steps, weights)
                chunk_weights(weights, weights, scores, q)
                for t in range(q):
                    weights[t * q + t] += arrays.D[head + j]
                scale_rows(B_to_state, tile(B, 0, k), steps, TO_STATE, q)
                scale_rows(C_from_state, tile(C, 0, k), steps, FROM_STATE, q)
                tokens = min(q, s.length - first)
                out = tile(y, (scan * s.length + first) * d_inner + (head + j) * p, d_inner)
                own_x, own_state = tile(x, j * q * p, p), tile(states, j * state, p)
                # y = weights x + from_state C state
                product(out, ZERO, tile(weights, 0, q), own_x, (tokens, p, q), triangle)
                product(out, ONE, tile(C_from_state, 0, k), own_state, (tokens, p, k), ALL)
                # state = total state + (to_state B)^T x
                keys = transposed(tile(B_to_state, 0, k))
                product(own_state, total, keys, own_x, (k, p, q), ALL)


@compiled
def _pair(size: int) -> tuple[Array, Array]:
    return np.empty(size, np.float32), np.empty(size, np.float32)
