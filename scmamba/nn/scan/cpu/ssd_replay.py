"""States before the chunks of a run of a Mamba-2 scan on a CPU, computed again for the gradients.

The forward loops keep one state for every ``RUN`` chunks, which saves memory.
"""

from __future__ import annotations

from typing import NamedTuple

from scmamba._compiled import compiled
from scmamba.nn.scan.cpu.ssd_chunk import (
    RUN,
    TO_STATE,
    MixerArrays,
    ScanShape,
    chunk_decays,
    conv_silu_chunk,
    scale_rows,
)
from scmamba.nn.scan.cpu.ssd_scratch import Scratch
from scmamba.nn.scan.cpu.tiles import ALL, Array, copy, product, tile, transposed


class Unit(NamedTuple):
    """Which unit of work, and how it reads."""

    scan: int
    part: int
    head: int  # the first of its heads
    row: int
    back: bool


@compiled
def replay_states(
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
        first = chunk_start(s, n, run * RUN + i, unit.back)
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
def chunk_start(s: ScanShape, n: int, i: int, back: bool) -> int:
    """Position at which the chunk begins that is the ``i``-th in the order of the scan."""
    return (n - 1 - i if back else i) * s.chunk
