"""Detection of chunks missing from a zarr store, which zarr itself reads as zeros."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from scmamba._errors import ScmambaError

_EXPECTED = 30.0
"""Number of non-zero values expected in a dense chunk above which its absence is an error."""


def check_chunks(array: Any, stored: slice, name: str) -> None:
    """Raise ScmambaError where chunks of a sparse matrix are missing.

    Zarr does not store chunks of zeros, but ``data`` and ``indices`` of a sparse matrix have no
    such chunk.

    Parameters
    ----------
    array
        ``data`` or ``indices``, (n_stored,); nothing is checked unless it is a zarr array.
    stored
        Range of entries about to be read.
    name
        Name of the matrix in errors.
    """
    if not isinstance(array, zarr.Array) or stored.stop <= stored.start:
        return
    size = (array.shards or array.chunks)[0]
    wanted = range(stored.start // size, (stored.stop - 1) // size + 1)
    if missing := _missing(array, ((i,) for i in wanted)):
        raise ScmambaError(
            f"{name}: chunk {missing[0][0]} of {array.path} is missing from the zarr store; copy "
            "the store again, whole, or write it again"
        )


def check_dense_chunks(array: Any, rows: slice, name: str) -> None:
    """Raise ScmambaError where chunks of a dense matrix are missing that are unlikely to be zero.

    Zarr does not store chunks of zeros, so a missing chunk is not in itself an error. It is one
    where, judging by other genes of these cells and other cells of these genes, more than 30
    non-zero values are expected in the chunk.
    """
    if not isinstance(array, zarr.Array) or rows.stop <= rows.start:
        return
    height, width = array.shards or array.chunks
    first, last = rows.start // height, (rows.stop - 1) // height
    columns = range(-(-array.shape[1] // width))
    for row in range(first, last + 1):
        missing = _missing(array, itertools.product([row], columns))
        for _, column in missing:
            if (expected := _expected(array, row, column, len(columns))) > _EXPECTED:
                raise ScmambaError(
                    f"{name}: chunk {row}.{column} of {array.path} is missing from the zarr store, "
                    f"where about {expected:,.0f} non-zero values are expected; copy "
                    "the store again, whole, or write it again"
                )


def check_table_chunks(table: Any, name: str) -> None:
    """Raise ScmambaError where chunks of the names or categories of a table are missing.

    Zarr reads a missing chunk as empty strings. Names and categories are unique, so a chunk with
    two or more of them is never empty. Chunks of codes or numbers may be zero and are not checked.

    Parameters
    ----------
    table
        ``obs`` or ``var``; nothing is checked unless it is a zarr group.
    name
        Name of the file in errors.
    """
    if not isinstance(table, zarr.Group):
        return
    places = [str(table.attrs.get("_index", "_index")), *(f"{key}/categories" for key in table)]
    for array in (table[place] for place in places if place in table):
        if not isinstance(array, zarr.Array) or array.ndim != 1:
            continue
        n, size = array.shape[0], (array.shards or array.chunks)[0]
        wanted = ((i,) for i in range(-(-n // size)) if min(size, n - i * size) > 1)
        if missing := _missing(array, wanted):
            raise ScmambaError(
                f"{name}: chunk {missing[0][0]} of {array.path} is missing from the zarr store; "
                "copy the store again, whole, or write it again"
            )


def _missing(array: Any, wanted: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Positions of chunks missing from a store in a folder."""
    root = getattr(getattr(array.store, "root", None), "joinpath", None)
    if root is None:
        return []
    folder = Path(root(array.path))
    return [i for i in wanted if not (folder / array.metadata.encode_chunk_key(i)).exists()]


def _expected(array: Any, row: int, column: int, n_columns: int) -> float:
    """Estimate the number of non-zero values in a chunk from neighboring chunks."""
    height, width = array.shards or array.chunks
    here = slice(row * height, (row + 1) * height)
    genes = slice(column * width, (column + 1) * width)
    n_rows = -(-array.shape[0] // height)
    of_cells = 1.0
    if n_columns > 1:  # as many as in other genes of these cells
        beside = array[here, : genes.start] if column else array[here, genes.stop :]
        of_cells = float(np.mean(beside != 0))
    of_genes = of_cells
    if n_rows > 1:  # as many as in other cells of these genes
        other = row - 1 if row else row + 1
        of_genes = float(np.mean(array[other * height : (other + 1) * height, genes] != 0))
    size = array[here, genes].size
    return size * min(of_cells, of_genes)
