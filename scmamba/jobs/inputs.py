"""Which cells a call was given and where their results go, checked before any work."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._files import can_recover, resolved, writable, writable_folder
from scmamba.jobs.file_job import FileJob
from scmamba.jobs.job import Job
from scmamba.jobs.memory_job import MemoryJob
from scmamba.pp.expression import rna_of
from scmamba.stream.formats import as_path, check_file, output_endings

AnyPath = str | os.PathLike[str]

_ZARR = (".zgroup", "zarr.json", ".zattrs")


def pair(cells: Any, output: Any, copy: bool) -> list[Job]:
    """Pair cells with where their results go.

    Parameters
    ----------
    cells
        An AnnData or MuData, a path, or paths one by one.
    output
        None for an AnnData; a file for a path or a backed AnnData; a folder for several paths.
    copy
        Whether results go to a copy of the AnnData.

    Raises
    ------
    ScmambaError
        An input or an output is missing, or an output cannot be written.
    """
    if isinstance(cells, Iterator):
        cells = list(cells)
    held = isinstance(rna_of(cells), AnnData)
    if held and output is None:
        _check_writable(rna_of(cells), copy)
        return [MemoryJob(cells, copy=copy)]
    if copy:
        raise ScmambaError("copy=True is for an AnnData in memory; results of files go to output=")
    if isinstance(cells, (list, tuple)):
        return _many([as_path(one) for one in cells], output)
    if held:
        if not isinstance(cells, AnnData) or not cells.isbacked or cells.is_view:
            raise ScmambaError(
                "output= is for files; results of an AnnData in memory, or of a view, go into it: "
                "omit output"
            )
        return [_one(Path(str(cells.filename)), output, cells.obs)]
    cells = as_path(cells)
    if not isinstance(cells, Path):
        raise ScmambaError(
            f"adata is {type(cells).__name__} {' '.join(str(cells).split())[:40]!r}; allowed: an "
            "AnnData, a MuData, a path, or a list of paths; wrap a matrix or table as "
            "anndata.AnnData(X)"
        )
    if output is None:
        raise ScmambaError(
            f"results of {cells} need a file: give output= (the same path to write into it)"
        )
    return [_one(cells, output)]


def _check_writable(adata: AnnData, copy: bool) -> None:
    """Raise ScmambaError where results could not be written in the end."""
    if not copy and adata.isbacked and adata.is_view:
        raise ScmambaError(
            "adata is a view of a backed AnnData, which cannot be written to; pass copy=True, or "
            "adata.to_memory()"
        )


def _one(cells: Path, output: AnyPath, obs: pd.DataFrame | None = None) -> FileJob:
    if not can_recover(cells):
        check_file(cells)
    target = resolved(output)
    if target.suffix not in (endings := output_endings(cells)):
        raise ScmambaError(
            f"output={str(output)!r} for {cells}; it is a copy with results, so it ends in "
            f"{' or '.join(endings)}{' too' if cells.suffix in endings else ''}"
        )
    if cells.suffix == ".zarr":
        writable_folder(target)
        if target.exists() and not any((target / name).exists() for name in _ZARR):
            raise ScmambaError(f"{output} is a folder without a zarr group; give a new one")
    else:
        writable(target)
    return FileJob(cells, target, obs)


def _many(cells: list[Any], output: Any) -> list[Job]:
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
    if folder.suffix in (".h5ad", ".zarr"):
        raise ScmambaError(f"output={str(folder)!r} for {len(cells)} files; give a folder")
    writable_folder(folder)
    for one in cells:
        if not can_recover(one):
            check_file(one)
    folder.mkdir(parents=True, exist_ok=True)
    return [_one(one, folder / output_name(one)) for one in cells]


def output_name(cells: Path) -> str:
    """Name of the file with the results of one of several files."""
    endings = output_endings(cells)
    return cells.name if cells.suffix in endings else f"{cells.stem}{endings[0]}"
