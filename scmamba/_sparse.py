"""Checks of the index arrays of sparse matrices, which compiled code relies on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError

DAMAGED = "the matrix is damaged: read it again from its source, or copy the file again"


def check_pointers(
    indptr: npt.NDArray[np.integer[Any]], n_rows: int, n_values: int, n_indices: int, name: str
) -> None:
    """Raise ScmambaError unless the row pointers of a sparse matrix match its other arrays.

    Parameters
    ----------
    indptr
        Start of each row among the values; must be (n_rows + 1,), non-decreasing from 0.
    n_rows
        Number of rows (for CSC, of columns).
    n_values, n_indices
        Lengths of ``data`` and ``indices``.
    name
        Name of the matrix in errors.
    """
    fault = ""
    if indptr.ndim != 1 or len(indptr) != n_rows + 1:
        fault = f"indptr has shape {indptr.shape}, not ({n_rows + 1},)"
    elif n_values != n_indices:
        fault = f"data holds {n_values:,} values and indices {n_indices:,}"
    elif indptr.dtype.kind not in "iu":
        fault = f"indptr has dtype {indptr.dtype}, not an integer one"
    elif int(indptr[0]) != 0 or int(indptr[-1]) != n_values:
        fault = f"indptr runs from {indptr[0]} to {indptr[-1]}, not from 0 to {n_values}"
    elif (indptr[1:] < indptr[:-1]).any():
        row = int(np.argmax(indptr[1:] < indptr[:-1]))
        fault = f"indptr falls from {indptr[row]} to {indptr[row + 1]} after row {row}"
    if fault:
        raise ScmambaError(f"{name} is no valid sparse matrix: {fault}; {DAMAGED}")


def check_indices(indices: npt.NDArray[Any], n_columns: int, name: str) -> None:
    """Raise ScmambaError unless all column indices are integers from 0 to ``n_columns - 1``."""
    if indices.dtype.kind not in "iu":
        raise ScmambaError(
            f"{name} is no valid sparse matrix: indices has dtype {indices.dtype}, not an integer "
            f"one; {DAMAGED}"
        )
    if not len(indices):
        return
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= n_columns:
        wrong = low if low < 0 else high
        raise ScmambaError(
            f"{name} is no valid sparse matrix: it has a column index {wrong}, but columns "
            f"0 to {n_columns - 1}; {DAMAGED}"
        )
