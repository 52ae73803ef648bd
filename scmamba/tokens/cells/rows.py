"""Tokens of the rows of a CSR matrix, in compiled loops."""

from __future__ import annotations

import numpy as np

from scmamba._compiled import compiled
from scmamba.tokens.cells.ranks import bin_row
from scmamba.tokens.cells.sampling import choose, mix

_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT = np.zeros(64, dtype=np.int64)  # (lowest bit * _DE_BRUIJN) >> 58 -> its position
for _place in range(64):
    _BIT[(int(_DE_BRUIJN) << _place & 0xFFFFFFFFFFFFFFFF) >> 58] = _place


@compiled
def tokenize_rows(  # type: ignore[no-untyped-def]
    indptr, indices, data, slot_of_column, in_order, gene_ids, positions, binned, include_zeros,
    limit, seed, offsets, start, stop, values, keys, work, out_ids, out_values, lengths,
):  # fmt: skip
    """Write the tokens of rows ``start`` to ``stop`` to the ``out`` arrays.

    ``slot_of_column`` is the position of each column in ``gene_ids`` (the ids in use), or -1.
    ``in_order`` says that the columns of a row are sorted by slot, without duplicates. ``values``,
    its bits ``keys``, and ``work`` are working space. Row ``r`` starts at ``offsets[r]`` and gets
    ``lengths[r]`` tokens, at most ``limit``.
    """
    n_slots = len(gene_ids)
    sums = np.zeros(n_slots, dtype=np.float64)
    touched = np.zeros((n_slots + 63) // 64, dtype=np.uint64)  # one bit per slot
    slots = np.empty(n_slots, dtype=np.int64)
    kept = np.empty(n_slots, dtype=np.int64)
    bins = np.empty(n_slots, dtype=np.int16)
    for row in range(start, stop):
        first, end = indptr[row], indptr[row + 1]
        if in_order:
            n = _read(indices[first:end], data[first:end], slot_of_column, slots, values)
        else:
            _add_up(indices[first:end], data[first:end], slot_of_column, sums, touched)
            n = _gather(touched, sums, slots, values)
        if binned:
            bin_row(values[:n], keys[:n], positions, work, bins)
        if include_zeros:
            _spread(n, n_slots, slots, values, bins)
            n = n_slots
        base = offsets[row]
        if n > limit:
            cell_seed = _cell_seed(n, slots, gene_ids, values, bins, binned, seed)
            n = choose(n, limit, cell_seed, kept)
            for i in range(n):
                slots[i] = slots[kept[i]]
                values[i] = values[kept[i]]
                bins[i] = bins[kept[i]]
        for i in range(n):
            out_ids[base + i] = gene_ids[slots[i]]
        if binned:
            for i in range(n):
                out_values[base + i] = bins[i]
        else:
            for i in range(n):
                out_values[base + i] = values[i]
        lengths[row] = n


@compiled
def _read(indices, data, slot_of_column, slots, values):  # type: ignore[no-untyped-def]
    """Collect the non-zero values and their slots in order; return their number."""
    n = 0
    for i in range(len(indices)):
        slot = slot_of_column[indices[i]]
        if slot >= 0 and data[i] != 0:
            slots[n] = slot
            values[n] = data[i]
            n += 1
    return n


@compiled
def _add_up(indices, data, slot_of_column, sums, touched):  # type: ignore[no-untyped-def]
    for i in range(len(indices)):
        slot = slot_of_column[indices[i]]
        if slot >= 0:
            sums[slot] += data[i]
            touched[slot >> 6] |= np.uint64(1) << np.uint64(slot & 63)


@compiled
def _gather(touched, sums, slots, values):  # type: ignore[no-untyped-def]
    """Collect the non-zero sums in ascending order of slots, and clear both working arrays."""
    n = 0
    for w in range(len(touched)):
        word = touched[w]
        while word != np.uint64(0):
            lowest = word & (~word + np.uint64(1))
            slot = (w << 6) + _BIT[np.int64((lowest * _DE_BRUIJN) >> np.uint64(58))]
            if sums[slot] != 0:
                slots[n] = slot
                values[n] = sums[slot]
                n += 1
            sums[slot] = 0
            word ^= lowest
        touched[w] = 0
    return n


@compiled
def _spread(n, n_slots, slots, values, bins):  # type: ignore[no-untyped-def]
    """Move the first ``n`` entries to their slots, last first, with zeros between them."""
    source = n - 1
    for slot in range(n_slots - 1, -1, -1):
        if source >= 0 and slots[source] == slot:
            values[slot] = values[source]
            bins[slot] = bins[source]
            source -= 1
        else:
            values[slot] = 0
            bins[slot] = 0
        slots[slot] = slot


@compiled
def _cell_seed(n, slots, gene_ids, values, bins, binned, seed):  # type: ignore[no-untyped-def]
    """Hash a cell's ids and values, so that its random draw depends on nothing else."""
    number = np.empty(1, dtype=np.float32)
    bits = number.view(np.uint32)
    state = mix(seed)
    for i in range(n):
        number[0] = bins[i] if binned else values[i]
        token = (np.uint64(gene_ids[slots[i]]) << np.uint64(32)) | np.uint64(bits[0])
        state = mix(state ^ token)
    return state


@compiled
def copy_rows(offsets, indptr, from_ids, from_values, start, stop, ids, values):  # type: ignore[no-untyped-def]
    """Copy the tokens of each row from ``offsets[row]`` to ``indptr[row]``."""
    for row in range(start, stop):
        gap = offsets[row] - indptr[row]
        for i in range(indptr[row], indptr[row + 1]):
            ids[i] = from_ids[i + gap]
            values[i] = from_values[i + gap]
