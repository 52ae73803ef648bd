"""Results added to a copy of a file of cells, which then replaces the output in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import zarr
from anndata.io import write_elem

from scmamba._files import put_in_place, remove, writing
from scmamba._read import reading
from scmamba.jobs.checkpoint import release
from scmamba.jobs.results import Results
from scmamba.jobs.row_blocks import RowBlocks
from scmamba.stream.formats import write_copy
from scmamba.stream.groups import DAMAGED, Group, open_group

_BYTES = 1 << 25
"""Of an array that are written at once."""
_CHUNK = 1 << 16
"""Values of a sparse matrix that are stored together."""


def write_results(path: Path, output: Path, results: Results, work: Path) -> None:
    """Write a copy of the file ``path`` with ``results`` added.

    Parameters
    ----------
    path
        File with the cells.
    output
        Where the copy goes, perhaps ``path`` itself; the caller holds its lock. It is
        written atomically.
    results
        Entries to add.
    work
        Folder next to ``output`` in which the copy is made; it exists.

    Raises
    ------
    ScmambaError
        The file cannot be read, or the copy cannot be written, for example because the disk is
        full.
    """
    copy = work / f"copy{output.suffix}"
    remove(copy)  # of a run that was killed
    try:
        with reading(path, damage=DAMAGED), writing(output):
            write_copy(path, copy)
        with writing(output):
            _add(copy, results)
            put_in_place(copy, output)
    finally:
        remove(copy)


def _add(path: Path, results: Results) -> None:
    with open_group(path, "r+") as group:
        for name in ("obsm", "varm", "varp", "layers", "uns"):
            if name not in group:
                write_elem(group, name, {})
        for name in ("obs", "var"):
            _add_columns(group[name], getattr(results, name))
        for name in ("obsm", "varm"):
            for key, values in getattr(results, name).items():
                _write_rows(group[name], key, values)
        for key in results.stale:
            if key in group["uns"]:
                del group["uns"][key]
        for name in ("varp", "uns"):
            for key, value in getattr(results, name).items():
                write_elem(group[name], key, value)
        for key, blocks in results.layers.items():
            _write_blocks(group["layers"], key, blocks)
        if isinstance(group, zarr.Group):
            zarr.consolidate_metadata(group.store)


def _add_columns(group: Group, columns: dict[str, Any]) -> None:
    """Write columns of a table, those that are new behind the others."""
    order = [str(name) for name in group.attrs["column-order"]]
    for name, values in columns.items():
        write_elem(group, name, values)
        order += [] if name in order else [name]
    group.attrs["column-order"] = order


def _write_rows(group: Group, key: str, values: npt.NDArray[Any]) -> None:
    """Write an array some rows at a time, so that one kept in a file is never whole in memory."""
    if key in group:
        del group[key]
    create = group.create_dataset if isinstance(group, h5py.Group) else group.create_array
    array = create(key, shape=values.shape, dtype=values.dtype)
    array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    step = max(_BYTES // max(values[:1].nbytes, 1), 1)
    if rows := (getattr(array, "chunks", None) or (0,))[0]:
        step = -(-step // rows) * rows  # a chunk is written once
    for start in range(0, len(values), step):
        array[start : start + step] = values[start : start + step]
        release(values)


def _write_blocks(group: Group, key: str, blocks: RowBlocks) -> None:
    """Write a sparse matrix block by block, so that two blocks are never in memory together."""
    if key in group:
        del group[key]
    stored = group.create_group(key)
    stored.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    stored.attrs["shape"] = list(blocks.shape)
    ends = [np.zeros(1, np.int64)]
    for block in blocks:
        ends.append(ends[-1][-1] + block.indptr[1:].astype(np.int64))
        _append(stored, "data", block.data)
        _append(stored, "indices", block.indices)
        del block
    write_elem(stored, "indptr", np.concatenate(ends))


def _append(group: Group, key: str, values: npt.NDArray[Any]) -> None:
    """Write values behind those of an array, which is made where it is missing."""
    if key not in group:
        kind = {"shape": (0,), "dtype": values.dtype, "chunks": (_CHUNK,)}
        if isinstance(group, h5py.Group):
            array = group.create_dataset(key, maxshape=(None,), **kind)
        else:
            array = group.create_array(key, **kind)
        array.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    array = group[key]
    start = array.shape[0]
    array.resize((start + len(values),))
    array[start:] = values
