"""Whatever AnnData holds as a matrix, in memory or on disk, as float32 CSR."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from scmamba._errors import ScmambaError

_BLOCK = 1 << 26  # values of a dense or backed matrix read at once


def to_csr(matrix: Any, where: str) -> sparse.csr_matrix:
    """Return ``matrix`` as canonical float32 CSR (indices ascending, none twice).

    Parameters
    ----------
    matrix
        NumPy array, scipy sparse, or anything with ``shape`` whose rows can be sliced: h5py and
        zarr arrays, backed sparse data sets, dask arrays. Shape (n_obs, n_vars).
    where
        What to call it in an error, such as ``"X"``.

    Returns
    -------
    CSR that may share memory with ``matrix`` where that was canonical float32 CSR in memory.
    """
    kind = np.dtype(matrix.dtype).kind
    if kind not in "biuf":
        raise ScmambaError(
            f"{where} has dtype {matrix.dtype}; allowed: integers or floating point numbers"
        )
    if isinstance(matrix, np.ndarray) or sparse.issparse(matrix):
        found = _in_memory(matrix)
    elif hasattr(matrix, "to_memory") and getattr(matrix, "format", "csr") == "csc":
        found = _in_memory(matrix.to_memory())
    else:
        found = _in_blocks(matrix)
    if not found.has_canonical_format:
        found = found.copy()
        found.sum_duplicates()
    return found


def _in_memory(matrix: Any) -> sparse.csr_matrix:
    if not sparse.issparse(matrix):
        return _in_blocks(np.asarray(matrix))
    found = matrix.tocsr()
    data = found.data.astype(np.float32, copy=False)
    return sparse.csr_matrix((data, found.indices, found.indptr), shape=found.shape)


def _in_blocks(matrix: Any) -> sparse.csr_matrix:
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
        blocks.append(sparse.csr_matrix(block, dtype=np.float32))
    return blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")
