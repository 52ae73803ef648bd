"""Chunks that a zarr store lacks, which zarr itself reads as zeros."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from scmamba._errors import ScmambaError

_EXPECTED = 30.0
"""So many values other than zero are expected in a dense chunk before its absence is a fault."""


def check_chunks(array: Any, stored: slice, name: str) -> None:
    """Raise ScmambaError where chunks with entries of a sparse matrix are missing.

    A chunk that is zero throughout need not be stored, but neither ``data`` nor ``indices`` of a
    sparse matrix has one.

    Parameters
    ----------
    array
        ``data`` or ``indices``, (n_stored,); nothing is checked unless it is a zarr array.
    stored
        Entries that are about to be read.
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
    """Raise ScmambaError where chunks of a dense matrix are missing that cannot be zeros alone.

    Zarr does not store a chunk of zeros, so that its absence alone is no fault. It is one where
    the same cells express so many other genes, and other cells these genes, that about 30 values
    are to be expected in the chunk.
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
                    f"where about {expected:,.0f} values other than zero are to be expected; copy "
                    "the store again, whole, or write it again"
                )


def check_table_chunks(table: Any, name: str) -> None:
    """Raise ScmambaError where chunks of the names or categories of a table are missing.

    Zarr reads them as empty texts. These differ from each other, so that a chunk with two or more
    of them is never empty throughout. A chunk of codes or numbers may be: its absence is no fault.

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
    """Positions of chunks that a store in a folder lacks."""
    root = getattr(getattr(array.store, "root", None), "joinpath", None)
    if root is None:
        return []
    folder = Path(root(array.path))
    return [i for i in wanted if not (folder / array.metadata.encode_chunk_key(i)).exists()]


def _expected(array: Any, row: int, column: int, n_columns: int) -> float:
    """Values other than zero that a chunk is expected to have, by its neighbors."""
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
