"""Results added to a copy of a file of cells, which then takes its place whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy.typing as npt
import pandas as pd
import zarr
from anndata import AnnData
from anndata.io import read_elem, write_elem

from scmamba._files import put_in_place, remove, writing
from scmamba.stream.source import Group, OnDisk, open_group
from scmamba.stream.store import forget

_BYTES = 1 << 25
"""Of an array that are written at once."""


def results_for(cells: OnDisk) -> AnnData:
    """An AnnData without expression to write results into: obs, var and the colours of labels."""
    return AnnData(obs=cells.obs.copy(), var=cells.var, uns=dict(cells.uns))


def add_results(path: Path, output: Path, results: AnnData, work: Path) -> None:
    """Write a copy of the file ``path`` with what ``results`` has beside it.

    Parameters
    ----------
    path
        File with the cells of ``results``.
    output
        Where the copy goes, ``path`` itself perhaps; it is there whole or not at all.
    results
        As :func:`results_for` made it, with columns of ``obs``, arrays of ``obsm`` and ``varm``
        and entries of ``uns`` added.
    work
        Folder beside ``output`` in which the copy is made; it is there already.
    """
    copy = work / f"copy{path.suffix}"
    remove(copy)  # of a run that was killed
    try:
        with writing(output):
            if path.is_dir():
                shutil.copytree(path, copy)
            else:
                shutil.copyfile(path, copy)
            _add(copy, results)
            put_in_place(copy, output)
    finally:
        remove(copy)


def _add(path: Path, results: AnnData) -> None:
    with open_group(path, "r+") as group:
        _add_columns(group["obs"], results.obs)
        for name in ("obsm", "varm", "uns"):
            if name not in group:
                write_elem(group, name, {})
        for name in ("obsm", "varm"):
            for key, values in getattr(results, name).items():
                _write_rows(group[name], key, values)
        colors = {key for key in results.uns if key.endswith("_colors")}
        for key in [key for key in group["uns"] if key.endswith("_colors")]:
            if key not in colors:
                del group["uns"][key]
        for key, value in results.uns.items():
            write_elem(group["uns"], key, value)
        if isinstance(group, zarr.Group):
            zarr.consolidate_metadata(group.store)


def _add_columns(group: Group, obs: pd.DataFrame) -> None:
    """Write those columns that the file does not hold as they are."""
    order = [str(name) for name in group.attrs["column-order"]]
    for name in obs.columns:
        if name in order and obs[name].equals(pd.Series(read_elem(group[name]), obs.index)):
            continue
        write_elem(group, name, obs[name].array if hasattr(obs[name], "cat") else obs[name].values)
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
        forget(values)
