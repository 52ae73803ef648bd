"""Expression values to quantile bins of a cell's own non-zero values, straight from CSR rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba.tokens._compiled import compiled, for_rows

MAX_BINS = 32_767  # bins are held as int16
HISTOGRAM = 1 << 14  # integer values below this are counted, larger ones sorted


def bin_values(
    data: npt.ArrayLike, indptr: npt.ArrayLike, n_bins: int = 51
) -> npt.NDArray[np.int16]:
    """Bin each row's non-zero values at their own quantiles.

    For a row's non-zero values ``v`` the bins are exactly
    ``numpy.digitize(v, numpy.quantile(v, numpy.linspace(0, 1, n_bins - 1)))``, in the arithmetic
    of ``data``'s dtype; zeros stored in the row stay 0. Rows are independent of one another and
    the number of threads changes nothing.

    Parameters
    ----------
    data
        Values of all rows, shape (n_values,): finite float32, float64 or integers.
    indptr
        Row ``i`` holds ``data[indptr[i]:indptr[i + 1]]``; shape (n_rows + 1,).
    n_bins
        Number of bins with the zero bin, 2 to 32,767.

    Returns
    -------
    int16 array, shape (n_values,): 0 for zero, 1 to ``n_bins - 1`` for the rest.

    Raises
    ------
    ScmambaError
        If ``n_bins`` is out of range.
    """
    values = as_float(np.asarray(data))
    pointers = np.ascontiguousarray(indptr, dtype=np.int64)
    positions = quantile_positions(n_bins)
    bins = np.zeros(len(values), dtype=np.int16)

    def work(start: int, stop: int) -> None:
        _bin_rows(values, pointers, positions, bins, start, stop)

    for_rows(work, len(pointers) - 1, len(values))
    return bins


def quantile_positions(n_bins: int) -> npt.NDArray[np.float64]:
    """Return the quantiles that part the bins, shape (n_bins - 1,), from 0 to 1."""
    if not 2 <= n_bins <= MAX_BINS:
        raise ScmambaError(f"n_bins={n_bins}; allowed: 2 to {MAX_BINS}, 51 in published models")
    return np.linspace(0, 1, n_bins - 1)


def as_float(data: npt.NDArray[np.generic]) -> npt.NDArray[np.floating]:
    """Return ``data`` as contiguous float32 if it is float32, else as float64."""
    return np.ascontiguousarray(data, dtype=np.float32 if data.dtype == np.float32 else np.float64)


@compiled
def _bin_rows(data, indptr, positions, bins, start, stop):  # type: ignore[no-untyped-def]
    longest = 0
    for row in range(start, stop):
        longest = max(longest, indptr[row + 1] - indptr[row])
    values = np.empty(longest, dtype=data.dtype)
    row_bins = np.empty(longest, dtype=np.int16)
    edges = np.empty(len(positions), dtype=np.float64)
    counts = np.zeros(HISTOGRAM, dtype=np.int64)
    for row in range(start, stop):
        n = 0
        for i in range(indptr[row], indptr[row + 1]):
            if data[i] != 0:
                values[n] = data[i]
                n += 1
        bin_row(values[:n], positions, edges, counts, row_bins)
        n = 0
        for i in range(indptr[row], indptr[row + 1]):
            if data[i] != 0:
                bins[i] = row_bins[n]
                n += 1


@compiled
def bin_row(values, positions, edges, counts, bins):  # type: ignore[no-untyped-def]
    """Bin one cell's non-zero ``values`` (n,) into ``bins`` (at least n,).

    ``positions`` (n_bins - 1,) from :func:`quantile_positions`; ``edges`` like it and ``counts``
    (HISTOGRAM,) are working space; ``counts`` must hold zeros and does again afterwards.
    """
    n = len(values)
    if n == 0:
        return
    largest = 0
    counted = 0
    for i in range(n):
        value = values[i]
        if not (value > 0 and value < HISTOGRAM):
            break
        whole = int(value)
        if whole != value:
            break
        counts[whole] += 1
        largest = max(largest, whole)
        counted += 1
    if counted == n:
        _edges_of_counts(counts, n, positions, edges)
        edge = 0
        for v in range(1, largest + 1):  # counts become the bin of each value
            if counts[v] > 0:
                while edge < len(edges) and edges[edge] <= v:
                    edge += 1
                counts[v] = edge
        for i in range(n):
            bins[i] = counts[int(values[i])]
    else:
        ordered = np.sort(values)
        _edges_of_sorted(ordered, positions, edges)
        for i in range(n):
            bins[i] = np.searchsorted(edges, np.float64(values[i]), side="right")
    counts[: largest + 1] = 0


@compiled
def _edge(low, high, share):  # type: ignore[no-untyped-def]
    """Interpolate as numpy.quantile does (the difference in the values' dtype, then float64)."""
    difference = high - low
    if share >= 0.5:
        return high - difference * (1 - share)
    return low + difference * share


@compiled
def _edges_of_sorted(ordered, positions, edges):  # type: ignore[no-untyped-def]
    last = len(ordered) - 1
    for k in range(len(positions)):
        place = last * positions[k]
        below = np.int64(np.floor(place))
        if below >= last:
            edges[k] = ordered[last]
        else:
            edges[k] = _edge(ordered[below], ordered[below + 1], place - below)


@compiled
def _edges_of_counts(counts, n, positions, edges):  # type: ignore[no-untyped-def]
    """As :func:`_edges_of_sorted`, with ``counts[v]`` values equal to ``v``."""
    last = n - 1
    low = high = 0  # values at the places below and above
    low_end = high_end = counts[0]  # how many values are <= low, <= high
    for k in range(len(positions)):
        place = last * positions[k]
        below = min(np.int64(np.floor(place)), last)
        above = min(below + 1, last)
        while low_end <= below:
            low += 1
            low_end += counts[low]
        while high_end <= above:
            high += 1
            high_end += counts[high]
        edges[k] = _edge(np.float64(low), np.float64(high), place - below)
