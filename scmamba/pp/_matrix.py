"""Conversion of any matrix of AnnData, in memory or on disk, to checked float32 CSR."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._sparse import check_indices, check_pointers

_BLOCK = 1 << 26  # values of a dense or backed matrix read at once
_MANY_ROWS, _FEW_ODD = 30, 2


def to_csr(matrix: Any, name: str) -> sparse.csr_matrix:
    """Return ``matrix`` as canonical float32 CSR (sorted indices, no duplicates).

    Parameters
    ----------
    matrix
        NumPy array, scipy sparse, or anything with ``shape`` whose rows can be sliced: h5py and
        zarr arrays, backed sparse data sets, dask arrays. Shape (n_obs, n_vars).
    name
        Name of the matrix in errors, such as ``"X"``.

    Returns
    -------
    CSR matrix, which shares memory with ``matrix`` where that is canonical float32 CSR already.

    Raises
    ------
    ScmambaError
        If the values are not real numbers, or the index arrays of a sparse matrix contradict its
        shape.
    """
    check_numeric(matrix.dtype, name)
    if isinstance(matrix, np.ndarray) or sparse.issparse(matrix):
        found = _in_memory(matrix, name)
    elif hasattr(matrix, "to_memory") and getattr(matrix, "format", "csr") == "csc":
        found = _in_memory(matrix.to_memory(), name)
    else:
        found = _in_blocks(matrix, name)
    if not found.has_canonical_format:
        _refuse_odd_rows(found, name)
        found = found.copy()
        found.sum_duplicates()
    return found


def check_numeric(dtype: Any, name: str) -> None:
    """Raise ScmambaError unless ``dtype`` holds real numbers."""
    if np.dtype(dtype).kind not in "biuf":
        raise ScmambaError(f"{name} has dtype {dtype}; allowed: integers or floating point numbers")


def checked(matrix: Any, name: str) -> Any:
    """Check the index arrays of a scipy CSR or CSC matrix, and return the matrix."""
    if getattr(matrix, "format", None) in ("csr", "csc"):
        n_rows, n_columns = matrix.shape if matrix.format == "csr" else matrix.shape[::-1]
        n_values, n_indices = len(matrix.data), len(matrix.indices)
        check_pointers(matrix.indptr, n_rows, n_values, n_indices, name)
        check_indices(matrix.indices, n_columns, name)
    return matrix


def _in_memory(matrix: Any, name: str) -> sparse.csr_matrix:
    if not sparse.issparse(matrix):
        return _in_blocks(np.asarray(matrix), name)
    found = checked(matrix, name)
    if found.format == "csc":
        parts = (found.data, found.indices, found.indptr)
        found = sparse.csc_matrix(parts, shape=found.shape)  # with up-to-date flags
        if not found.has_canonical_format:
            _refuse_odd_rows(found, name)
    found = found.tocsr()
    data = found.data.astype(np.float32, copy=False)
    return sparse.csr_matrix((data, found.indices, found.indptr), shape=found.shape)


def _in_blocks(matrix: Any, name: str) -> sparse.csr_matrix:
    """Convert block by block, so that no second copy of a large matrix is in memory."""
    n_obs, n_vars = matrix.shape
    rows = max(1, _BLOCK // max(1, n_vars))
    blocks = []
    for start in range(0, n_obs, rows):
        block = matrix[start : min(start + rows, n_obs)]
        if hasattr(block, "compute"):  # dask
            block = block.compute()
        if not sparse.issparse(block):
            block = np.asarray(block).astype(np.float32, copy=False)
        blocks.append(sparse.csr_matrix(checked(block, name), dtype=np.float32))
    return blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")


def _refuse_odd_rows(matrix: sparse.csr_matrix | sparse.csc_matrix, name: str) -> None:
    """Raise ScmambaError where indices are unsorted in only one or two rows of many.

    Tools that leave indices unsorted do so in all rows; a single unsorted row suggests a damaged
    byte. For CSC, the same holds for columns.
    """
    if matrix.nnz < 2:
        return
    falls = np.flatnonzero(matrix.indices[1:] <= matrix.indices[:-1]) + 1
    row_of = np.searchsorted(matrix.indptr, falls, side="right") - 1
    odd = np.unique(row_of[matrix.indptr[row_of] < falls])
    n_telling = int((np.diff(matrix.indptr) > 1).sum())
    if len(odd) <= _FEW_ODD and n_telling >= _MANY_ROWS:
        raise ScmambaError(
            f"{name} has sorted, unique indices in all "
            f"{'rows' if matrix.format == 'csr' else 'columns'} except "
            f"{', '.join(map(str, odd))}: a byte is probably damaged. Read the matrix again from "
            "its source; if it is correct, call X.sum_duplicates() on it first"
        )
