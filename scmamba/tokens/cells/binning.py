"""Quantile bins of each cell's non-zero expression values, computed on CSR rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba._compiled import compiled, for_rows
from scmamba._errors import ScmambaError
from scmamba.tokens.cells.ranks import as_keys, bin_row, scratch

MAX_BINS = 32_767  # bins are held as int16


def bin_values(
    data: npt.ArrayLike, indptr: npt.ArrayLike, n_bins: int = 51
) -> npt.NDArray[np.int16]:
    """Bin each row's non-zero values at their own quantiles.

    For a row's non-zero values ``v`` the bins are exactly
    ``numpy.digitize(v, numpy.quantile(v, numpy.linspace(0, 1, n_bins - 1)))``, in the arithmetic
    of ``data``'s dtype; stored zeros stay 0. Rows are binned independently of one another, and
    results do not depend on the number of threads.

    Parameters
    ----------
    data
        Values of all rows, non-negative and finite; float32, float64 or integers, shape
        (n_values,).
    indptr
        Row pointers: row ``i`` holds ``data[indptr[i]:indptr[i + 1]]``; shape (n_rows + 1,).
    n_bins
        Number of bins including the zero bin, 2 to 32,767.

    Returns
    -------
    int16 array, shape (n_values,): 0 for zero, 1 to ``n_bins - 1`` for the rest.

    Raises
    ------
    ScmambaError
        If ``n_bins`` is out of range, or a value is negative, NaN or infinite.

    Examples
    --------
    >>> from scmamba.tokens import bin_values
    >>> bin_values([5.0, 1.0, 9.0, 2.0, 2.0], [0, 3, 5], n_bins=4).tolist()
    [2, 1, 3, 3, 3]
    """
    values = as_float(np.asarray(data))
    pointers = np.ascontiguousarray(indptr, dtype=np.int64)
    positions = quantile_positions(n_bins)
    longest = int(np.diff(pointers).max(initial=0))
    bins = np.empty(len(values), dtype=np.int16)

    def work(start: int, stop: int) -> None:
        room = scratch(longest, len(positions), values.dtype)
        _bin_rows(values, as_keys(values), pointers, positions, room, bins, start, stop)

    for_rows(work, len(pointers) - 1, len(values))
    return bins


def quantile_positions(n_bins: int) -> npt.NDArray[np.float64]:
    """Return the quantiles at the bin edges, from 0 to 1, shape (n_bins - 1,)."""
    if not 2 <= n_bins <= MAX_BINS:
        raise ScmambaError(f"n_bins={n_bins}; allowed: 2 to {MAX_BINS}, 51 in published models")
    return np.linspace(0, 1, n_bins - 1)


def as_float(data: npt.NDArray[np.generic]) -> npt.NDArray[np.floating]:
    """Return ``data`` as contiguous float32 if it is float32, else as float64.

    Raises
    ------
    ScmambaError
        If a value is negative, NaN or infinite.
    """
    values = np.ascontiguousarray(data, dtype=np.float32 if data.dtype == np.float32 else float)
    wrong: list[int] = []

    def work(start: int, stop: int) -> None:
        part = values[start:stop]
        if not (part.min(initial=0) >= 0 and np.isfinite(part.max(initial=0))):  # NaN fails both
            wrong.append(start)

    for_rows(work, len(values), len(values))
    if wrong:
        raise ScmambaError(
            "there are negative or non-finite values; tokens are made from counts or "
            "log-normalized counts: read them with scmamba.pp.expression, which reports the first "
            "such value"
        )
    return values


@compiled
def _bin_rows(data, keys, indptr, positions, work, bins, start, stop):  # type: ignore[no-untyped-def]
    for row in range(start, stop):
        first, end = indptr[row], indptr[row + 1]
        bin_row(data[first:end], keys[first:end], positions, work, bins[first:end])
