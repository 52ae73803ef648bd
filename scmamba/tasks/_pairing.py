"""Which cells a task was given and where their results go, checked before any work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._files import writable, writable_folder
from scmamba.stream.source import as_path, check_file, open_cells
from scmamba.tasks._places import FilePlace, Place
from scmamba.tasks._write import check_writable

_ZARR = (".zgroup", "zarr.json", ".zattrs")


def places(cells: Any, output: Any, copy: bool) -> list[Place]:
    """Pair cells with where their results go, all checked before any work is done.

    Parameters
    ----------
    cells
        An AnnData, a path, or a list of paths (or what gives them one by one).
    output
        None for an AnnData; a file for a path or a backed AnnData; a folder for a list.
    copy
        Results go to a copy of the AnnData.

    Raises
    ------
    ScmambaError
        An input is missing, or an output is, or cannot be written.
    """
    if isinstance(cells, Iterator):
        cells = list(cells)
    if isinstance(cells, AnnData) and output is None:
        check_writable(cells, copy)
        return [Place(cells, copy=copy)]
    if copy:
        raise ScmambaError("copy=True is for an AnnData in memory; results of files go to output=")
    if isinstance(cells, (list, tuple)):
        return _many([as_path(one) for one in cells], output)
    if isinstance(cells, AnnData):
        if not cells.isbacked or cells.is_view:
            raise ScmambaError(
                "output= is for files; results of an AnnData in memory, or of a view, go into it: "
                "leave output away"
            )
        cells = _file_of(cells)
    cells = as_path(cells)
    if not isinstance(cells, Path):
        return [Place(cells)]  # told when it is opened
    if output is None:
        raise ScmambaError(
            f"results of {cells} need a file: give output= (the same path to write into it)"
        )
    return [_one(check_file(cells), Path(output))]


def _file_of(backed: AnnData) -> Path:
    """The file of a backed AnnData, whose ``obs`` must be what the file holds."""
    path = Path(str(backed.filename))
    with open_cells(path) as stored:
        if not stored.obs.equals(backed.obs):
            raise ScmambaError(
                f"obs of the backed AnnData is not what {path} holds, of which output= would be a "
                "copy; write it to a file first, or leave output= away: results then go into the "
                "AnnData"
            )
    return path


def _one(cells: Path, output: Path) -> FilePlace:
    output = Path(os.path.realpath(output))  # a link stays one
    if output.suffix != cells.suffix:
        raise ScmambaError(
            f"output={str(output)!r} for {cells}; it is a copy with results, so it ends in "
            f"{cells.suffix} too"
        )
    if cells.suffix == ".zarr":
        writable_folder(output)
        if output.exists() and not any((output / name).exists() for name in _ZARR):
            raise ScmambaError(f"{output} is a folder without a zarr group; give a new one")
    else:
        writable(output)
    return FilePlace(cells, output)


def _many(cells: list[Any], output: Any) -> list[Place]:
    if not cells or not all(isinstance(one, Path) for one in cells):
        raise ScmambaError("a list of cells holds paths of .h5ad or .zarr files, one at least")
    if output is None:
        raise ScmambaError("results of many files need a folder: give output=")
    folder, names = Path(output), [one.name for one in cells]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ScmambaError(
            f"{', '.join(twice)} comes more than once among the files, whose results carry the "
            "same names in one folder; rename one, or give them in two calls"
        )
    for one in cells:
        check_file(one)
    writable_folder(folder)
    if folder.suffix in (".h5ad", ".zarr"):
        raise ScmambaError(f"output={str(folder)!r} for {len(cells)} files; give a folder")
    folder.mkdir(parents=True, exist_ok=True)
    return [_one(one, folder / one.name) for one in cells]
