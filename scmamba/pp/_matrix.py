"""Whatever AnnData holds as a matrix, in memory or on disk, as checked float32 CSR."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._sparse import check_indices, check_pointers

_BLOCK = 1 << 26  # values of a dense or backed matrix read at once
_MANY_ROWS, _FEW_ODD = 30, 2


def to_csr(matrix: Any, name: str) -> sparse.csr_matrix:
    """Return ``matrix`` as canonical float32 CSR (indices ascending, none twice).

    Parameters
    ----------
    matrix
        NumPy array, scipy sparse, or anything with ``shape`` whose rows can be sliced: h5py and
        zarr arrays, backed sparse data sets, dask arrays. Shape (n_obs, n_vars).
    name
        Name of the matrix in errors, such as ``"X"``.

    Returns
    -------
    CSR that may share memory with ``matrix`` where that was canonical float32 CSR in memory.

    Raises
    ------
    ScmambaError
        The values are no real numbers, or the index arrays of a sparse matrix contradict its
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
    """A scipy CSR or CSC matrix whose index arrays were found valid; others as they are."""
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
        found = sparse.csc_matrix(parts, shape=found.shape)  # whose flags are up to date
        if not found.has_canonical_format:
            _refuse_odd_rows(found, name)
    found = found.tocsr()
    data = found.data.astype(np.float32, copy=False)
    return sparse.csr_matrix((data, found.indices, found.indptr), shape=found.shape)


def _in_blocks(matrix: Any, name: str) -> sparse.csr_matrix:
    """Read some rows at a time, so that no second copy of a large matrix is held."""
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
    """Raise ScmambaError where one or two rows are out of order and very many are not.

    Tools that leave columns unsorted do so in all rows; a single such row is what a damaged byte
    looks like. Of a CSC matrix, read columns for rows.
    """
    if matrix.nnz < 2:
        return
    falls = np.flatnonzero(matrix.indices[1:] <= matrix.indices[:-1]) + 1
    row_of = np.searchsorted(matrix.indptr, falls, side="right") - 1
    odd = np.unique(row_of[matrix.indptr[row_of] < falls])
    n_telling = int((np.diff(matrix.indptr) > 1).sum())
    if len(odd) <= _FEW_ODD and n_telling >= _MANY_ROWS:
        raise ScmambaError(
            f"{name} has its indices in ascending order, none twice, in all "
            f"{'rows' if matrix.format == 'csr' else 'columns'} but "
            f"{', '.join(map(str, odd))}: a byte of it is probably damaged. Read it again from its "
            "source; if it is right, call X.sum_duplicates() on the matrix and pass it again"
        )
