"""Results added to a copy of a file of cells, which then replaces the output in one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy.typing as npt
import zarr
from anndata.io import write_elem

from scmamba._files import put_in_place, remove, writing
from scmamba.jobs.checkpoint import release
from scmamba.jobs.results import Results
from scmamba.stream.formats import write_copy
from scmamba.stream.source import Group, open_group

_BYTES = 1 << 25
"""Of an array that are written at once."""


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
        The copy cannot be written, for example because the disk is full.
    """
    copy = work / f"copy{output.suffix}"
    remove(copy)  # of a run that was killed
    try:
        with writing(output):
            write_copy(path, copy)
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
        for name in ("varp", "layers", "uns"):
            for key, value in getattr(results, name).items():
                write_elem(group[name], key, value)
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
