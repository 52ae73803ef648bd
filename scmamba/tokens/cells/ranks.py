"""Quantile bins of one cell: by counting where few values are distinct, else by radix sort."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled
from scmamba.tokens.cells.radix import radix_order

_TABLE = 2048  # slots of the hash table; one more slot stands for zero
_TABLE_SHIFT = np.uint64(64 - 11)
_FEW = 256  # most distinct values that are counted rather than sorted
_DIGITS = 2048  # of the radix sort
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Scratch(NamedTuple):
    """Working space for cells of up to ``n`` values of one dtype; :func:`scratch` creates it.

    ``table``, ``counts`` and ``value_of`` are the hash table: keys (0 in a free slot), the
    number of occurrences of each, and its value. ``table`` and ``counts`` are zero between cells.
    """

    edges: npt.NDArray[np.float64]
    table: npt.NDArray[np.uint64]
    counts: npt.NDArray[np.int64]
    value_of: npt.NDArray[np.floating]
    used: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int32]
    order: npt.NDArray[np.int32]
    digits: npt.NDArray[np.int64]


def scratch(n: int, n_edges: int, dtype: npt.DTypeLike) -> Scratch:
    """Return working space for cells of up to ``n`` values."""
    return Scratch(
        edges=np.empty(n_edges, np.float64),
        table=np.zeros(_TABLE, np.uint64),
        counts=np.zeros(_TABLE + 1, np.int64),
        value_of=np.empty(_TABLE, dtype),
        used=np.empty(_FEW, np.int64),
        slots=np.empty(n, np.int32),
        order=np.empty(n, np.int32),
        digits=np.empty(_DIGITS, np.int64),
    )


def as_keys(values: npt.NDArray[np.floating]) -> npt.NDArray[np.unsignedinteger]:
    """Return the bits of non-negative ``values`` as unsigned integers, which sort alike."""
    return values.view(np.uint32 if values.dtype == np.float32 else np.uint64)


@compiled
def bin_row(values, keys, positions, work, bins):  # type: ignore[no-untyped-def]
    """Write the bins of one cell's ``values`` to ``bins``, both of shape (n,).

    ``values`` are finite and non-negative; zeros get bin 0 and are ignored by the quantiles.
    ``keys`` are their bits, ``positions`` the quantiles at the bin edges, ``work`` the working
    space.
    """
    edges, table, counts, value_of, used, slots, order, digits = work
    n_distinct = _count(values, keys, table, counts, value_of, used, slots)
    if n_distinct < 0:
        places = radix_order(keys, 8 * keys.itemsize - 1, slots, order, digits)
        _bin_sorted(values, places, positions, edges, bins)
        return
    distinct = used[:n_distinct]
    _sort_slots(distinct, value_of)
    if n_distinct > 0:
        _edges_of_counts(distinct, value_of, counts, positions, edges)
    edge = 0
    for slot in distinct:  # counts become the bin of each value
        while edge < len(edges) and edges[edge] <= value_of[slot]:
            edge += 1
        counts[slot] = edge
    for i in range(len(values)):
        bins[i] = counts[slots[i]]
    _clear(distinct, table, counts)


@compiled
def _count(values, keys, table, counts, value_of, used, slots):  # type: ignore[no-untyped-def]
    """Count equal values in a hash table; return the number of distinct ones, -1 if too many."""
    n_distinct = 0
    unsigned = _unsigned(keys)
    for i in range(len(values)):
        key = np.uint64(keys[i]) & unsigned
        if key == 0:
            slots[i] = _TABLE
            continue
        slot = np.int64((key * _GOLDEN) >> _TABLE_SHIFT)
        while table[slot] != key:
            if table[slot] == 0:
                if n_distinct == _FEW:
                    _clear(used, table, counts)
                    return -1
                table[slot] = key
                value_of[slot] = values[i]
                used[n_distinct] = slot
                n_distinct += 1
                break
            slot = (slot + 1) & (_TABLE - 1)
        counts[slot] += 1
        slots[i] = slot
    return n_distinct


@compiled
def _clear(slots, table, counts):  # type: ignore[no-untyped-def]
    for slot in slots:
        table[slot] = 0
        counts[slot] = 0


@compiled
def _unsigned(keys):  # type: ignore[no-untyped-def]
    """Mask of the bits of a key without the sign bit, which only minus zero has set."""
    return (np.uint64(1) << np.uint64(8 * keys.itemsize - 1)) - np.uint64(1)


@compiled
def _bin_sorted(values, places, positions, edges, bins):  # type: ignore[no-untyped-def]
    n = len(values)
    first = 0  # after the zeros
    while first < n and values[places[first]] == 0:
        bins[places[first]] = 0
        first += 1
    last = n - 1 - first
    for k in range(len(positions)):
        place = last * positions[k]
        below = min(int(np.floor(place)), last)
        above = min(below + 1, last)
        low, high = values[places[first + below]], values[places[first + above]]
        edges[k] = _edge(low, high, place - below)
    edge = 0
    for i in range(first, n):
        value = values[places[i]]
        while edge < len(edges) and edges[edge] <= value:
            edge += 1
        bins[places[i]] = edge


@compiled
def _edges_of_counts(slots, value_of, counts, positions, edges):  # type: ignore[no-untyped-def]
    """Compute quantiles of ``counts[slot]`` copies of ``value_of[slot]``, slots sorted by value."""
    last = -1
    for slot in slots:
        last += counts[slot]
    low = high = 0  # distinct values at the positions below and above
    low_end = high_end = counts[slots[0]]  # number of values <= it
    for k in range(len(positions)):
        place = last * positions[k]
        below = min(int(np.floor(place)), last)
        above = min(below + 1, last)
        while low_end <= below:
            low += 1
            low_end += counts[slots[low]]
        while high_end <= above:
            high += 1
            high_end += counts[slots[high]]
        edges[k] = _edge(value_of[slots[low]], value_of[slots[high]], place - below)


@compiled
def _edge(low, high, share):  # type: ignore[no-untyped-def]
    """Interpolate as numpy.quantile does: the difference in the values' dtype, then float64."""
    difference = high - low
    if share >= 0.5:
        return high - difference * (1 - share)
    return low + difference * share


@compiled
def _sort_slots(slots, value_of):  # type: ignore[no-untyped-def]
    """Sort slots by their value, in place (Shell's sort with Ciura's gaps)."""
    for gap in (132, 57, 23, 10, 4, 1):
        for i in range(gap, len(slots)):
            slot = slots[i]
            j = i
            while j >= gap and value_of[slots[j - gap]] > value_of[slot]:
                slots[j] = slots[j - gap]
                j -= gap
            slots[j] = slot
