"""Matrices on disk or in memory that are read a block of rows at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt
from anndata.io import sparse_dataset
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._sparse import check_indices, check_pointers
from scmamba.pp._matrix import check_numeric, to_csr
from scmamba.stream._chunks import check_chunks, check_dense_chunks

BLOCK_VALUES = 1 << 23
"""Approximate number of stored values per block, which bounds memory."""

MAX_ROWS = 1 << 15
"""Largest number of rows per block, which bounds the memory of results."""

_CSC_VALUES = 1 << 27
"""Largest number of stored values of a CSC matrix on disk that is read whole."""


class RowMatrix(ABC):
    """Matrix whose rows can be read into memory block by block.

    Attributes
    ----------
    shape
        Numbers of rows and columns.
    """

    shape: tuple[int, int]

    @abstractmethod
    def take(self, rows: slice) -> npt.NDArray[Any] | sparse.csr_matrix:
        """Read consecutive rows into memory."""

    @abstractmethod
    def _stop(self, start: int, n_values: int) -> int:
        """Return the row at which about ``n_values`` values from row ``start`` end (exclusive)."""

    def block(self, start: int, n_values: int) -> slice:
        """Return the rows from ``start`` that hold about ``n_values`` values, at least one row."""
        stop = min(self._stop(start, n_values), start + MAX_ROWS, self.shape[0])
        return slice(start, max(stop, start + 1))


class _Dense(RowMatrix):
    """Dense array of NumPy, h5py or zarr."""

    def __init__(self, array: Any, name: str) -> None:
        if len(array.shape) != 2:
            raise ScmambaError(f"{name} has shape {array.shape}; allowed: cells by genes")
        self._array, self.shape, self._name = array, array.shape, name

    def take(self, rows: slice) -> npt.NDArray[Any]:
        check_dense_chunks(self._array, rows, self._name)
        return np.asarray(self._array[rows])

    def _stop(self, start: int, n_values: int) -> int:
        rows = max(n_values // max(self.shape[1], 1), 1)
        chunk = (getattr(self._array, "chunks", None) or (1,))[0]
        if chunk <= 4 * rows:  # chunks are decoded as a whole: read whole chunks
            rows = -(-rows // chunk) * chunk
            return start - start % chunk + rows
        return start + rows


class _Rows(RowMatrix):
    """CSR matrix in an h5ad or zarr group or in memory."""

    def __init__(
        self, indptr: Any, indices: Any, data: Any, shape: tuple[int, int], name: str
    ) -> None:
        pointers = np.asarray(indptr[:])
        check_pointers(pointers, shape[0], data.shape[0], indices.shape[0], name)
        check_numeric(data.dtype, name)
        self._indptr, self._name = pointers.astype(np.int64, copy=False), name
        self._indices, self._data, self.shape = indices, data, shape

    def take(self, rows: slice) -> sparse.csr_matrix:
        indptr = self._indptr[rows.start : rows.stop + 1]
        stored = slice(int(indptr[0]), int(indptr[-1]))
        for part in (self._data, self._indices):
            check_chunks(part, stored, self._name)
        indices = self._indices[stored]
        check_indices(indices, self.shape[1], self._name)
        parts = (self._data[stored], indices, indptr - stored.start)
        return sparse.csr_matrix(parts, shape=(len(indptr) - 1, self.shape[1]))

    def _stop(self, start: int, n_values: int) -> int:
        end = self._indptr[start] + n_values
        return int(np.searchsorted(self._indptr, end, side="right")) - 1


class _Columns(RowMatrix):
    """CSC matrix, whose rows cannot be read: it is converted to CSR as a whole on first use."""

    def __init__(self, matrix: Any, n_stored: int, where: str) -> None:
        self._matrix, self._n_stored, self._where = matrix, n_stored, where
        self.shape = matrix.shape
        self._turned: RowMatrix | None = None

    def _rows(self) -> RowMatrix:
        if self._turned is None:
            matrix = self._matrix
            if not sparse.issparse(matrix):
                self._check_size()
                _check_columns(matrix, self._where)
                logger.warning(
                    "%s is stored by columns (CSC): it is read as a whole, because its rows cannot "
                    "be read in blocks",
                    self._where,
                )
                matrix = matrix.to_memory()
            self._turned = row_matrix(to_csr(matrix, self._where), self._where)
        return self._turned

    def _check_size(self) -> None:
        if self._n_stored > _CSC_VALUES:
            raise ScmambaError(
                f"{self._where} is stored by columns (CSC), so its rows cannot be read in blocks, "
                f"and it is too large to be read as a whole ({self._n_stored:,} values); convert "
                "it once to CSR on a machine with enough memory: adata = anndata.read_h5ad(path); "
                "adata.X = adata.X.tocsr(); adata.write_h5ad(path)"
            )

    def take(self, rows: slice) -> npt.NDArray[Any] | sparse.csr_matrix:
        return self._rows().take(rows)

    def _stop(self, start: int, n_values: int) -> int:
        return self._rows()._stop(start, n_values)


def row_matrix(element: Any, where: str) -> RowMatrix:
    """Wrap ``element`` so that blocks of its rows can be read.

    Parameters
    ----------
    element
        NumPy or scipy matrix, array or sparse group of h5py or zarr, or X of a backed AnnData. A
        large CSC matrix on disk is refused when its rows are read.
    where
        Name of the matrix in messages.
    """
    if sparse.issparse(element):
        if element.format == "csr":
            parts = (element.indptr, element.indices, element.data)
            return _Rows(*parts, element.shape, where)
        return _Columns(element, element.nnz, where)
    if hasattr(element, "dtype") and not hasattr(element, "group"):
        check_numeric(element.dtype, where)
        return _Dense(element, where)
    found = element if hasattr(element, "group") else sparse_dataset(element)
    stored = {name: found.group[name] for name in ("indptr", "indices", "data")}
    if found.format == "csr":
        return _Rows(**stored, shape=found.shape, name=where)
    return _Columns(found, stored["data"].shape[0], where)


def check_encoding(element: Any, name: str) -> None:
    """Raise ScmambaError where a matrix on disk has an unknown anndata encoding."""
    encoding = element.attrs.get("encoding-type") if hasattr(element, "attrs") else None
    if encoding not in (None, "", "array", "csr_matrix", "csc_matrix"):
        raise ScmambaError(
            f"{name} has the unknown encoding {encoding!r}: the file was written by a "
            "newer version of anndata; update anndata: pip install -U anndata"
        )


def _check_columns(matrix: Any, name: str) -> None:
    """Raise ScmambaError unless the arrays of a CSC group are consistent; scipy trusts them."""
    indptr, indices, data = (matrix.group[part] for part in ("indptr", "indices", "data"))
    n_rows, n_columns = matrix.shape
    check_numeric(data.dtype, name)
    check_pointers(np.asarray(indptr[:]), n_columns, data.shape[0], indices.shape[0], name)
    for part in (data, indices):
        check_chunks(part, slice(0, part.shape[0]), name)
    check_indices(indices[:], n_rows, name)
