"""Matrices of which some rows at a time are taken, on disk or in memory."""

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
"""Stored values of a block, about: what is held of a large matrix at once."""

MAX_ROWS = 1 << 15
"""Rows of a block at most, however few values they store: results have a size too."""

_CSC_VALUES = 1 << 27
"""Stored values of a matrix by columns on disk that is read whole for want of rows."""


class RowMatrix(ABC):
    """A matrix whose rows can be taken into memory block by block.

    Attributes
    ----------
    shape
        Rows and columns.
    """

    shape: tuple[int, int]

    @abstractmethod
    def take(self, rows: slice) -> npt.NDArray[Any] | sparse.csr_matrix:
        """Consecutive rows in memory."""

    @abstractmethod
    def _stop(self, start: int, n_values: int) -> int:
        """The row before which ``n_values`` values from row ``start`` on end, about."""

    def block(self, start: int, n_values: int) -> slice:
        """Rows from ``start`` on that store about ``n_values`` values, one row at least."""
        stop = min(self._stop(start, n_values), start + MAX_ROWS, self.shape[0])
        return slice(start, max(stop, start + 1))


class _Dense(RowMatrix):
    """A NumPy array, or one of h5py or zarr."""

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
        if chunk <= 4 * rows:  # a chunk is decoded whole: take whole ones
            rows = -(-rows // chunk) * chunk
            return start - start % chunk + rows
        return start + rows


class _Rows(RowMatrix):
    """CSR: what an h5ad or zarr group holds, or a matrix in memory."""

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
    """CSC, of which no rows can be read: it is turned whole when it is first asked for some."""

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
                    "%s is stored by columns (CSC): it is read whole, as its rows cannot be read "
                    "some at a time",
                    self._where,
                )
                matrix = matrix.to_memory()
            self._turned = row_matrix(to_csr(matrix, self._where), self._where)
        return self._turned

    def _check_size(self) -> None:
        if self._n_stored > _CSC_VALUES:
            raise ScmambaError(
                f"{self._where} is stored by columns (CSC), so that no rows of it can be read, and "
                f"it is too large to be read whole ({self._n_stored:,} values); write it by rows "
                "once, on a machine with memory for it: adata = anndata.read_h5ad(path); "
                "adata.X = adata.X.tocsr(); adata.write_h5ad(path)"
            )

    def take(self, rows: slice) -> npt.NDArray[Any] | sparse.csr_matrix:
        return self._rows().take(rows)

    def _stop(self, start: int, n_values: int) -> int:
        return self._rows()._stop(start, n_values)


def row_matrix(element: Any, where: str) -> RowMatrix:
    """What rows of ``element`` can be taken from.

    Parameters
    ----------
    element
        A NumPy or scipy matrix; an array or a sparse group of h5py or zarr; AnnData's backed X.
    where
        What a message calls it. A large matrix by columns is refused when rows are asked for.
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
    """Raise ScmambaError where anndata encoded a matrix on disk in a way unknown here."""
    encoding = element.attrs.get("encoding-type") if hasattr(element, "attrs") else None
    if encoding not in (None, "", "array", "csr_matrix", "csc_matrix"):
        raise ScmambaError(
            f"{name} is encoded as {encoding!r}, which is unknown here: the file was written by a "
            "newer version of anndata; update it: pip install -U anndata"
        )


def _check_columns(matrix: Any, name: str) -> None:
    """Raise ScmambaError unless the arrays of a CSC group fit together, before scipy reads them."""
    indptr, indices, data = (matrix.group[part] for part in ("indptr", "indices", "data"))
    n_rows, n_columns = matrix.shape
    check_numeric(data.dtype, name)
    check_pointers(np.asarray(indptr[:]), n_columns, data.shape[0], indices.shape[0], name)
    for part in (data, indices):
        check_chunks(part, slice(0, part.shape[0]), name)
    check_indices(indices[:], n_rows, name)
