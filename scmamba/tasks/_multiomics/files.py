"""Files with several modalities: read whole, and written as copies with results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._files import atomic, writable
from scmamba.jobs import AnyPath
from scmamba.stream.formats import as_path
from scmamba.stream.modalities.files import read_mudata, read_several, without_advice


def check_output(data: Any, output: AnyPath | None) -> None:
    """Raise ScmambaError where an output is missing, not wanted or cannot be written."""
    path = as_path(data)
    if not isinstance(path, Path):
        if output is not None:
            raise ScmambaError(
                "output= is for a path; results of cells in memory go into them: omit output"
            )
        return
    if output is None:
        raise ScmambaError(f"results of {path} need a file: give output=")
    ending = ".h5mu" if path.suffix == ".h5mu" or _is_mudata_zarr(path) else ".h5ad"
    if Path(output).suffix != ending:
        raise ScmambaError(
            f"output={str(output)!r} for {path}; it is a copy with results, so it ends in {ending}"
        )
    writable(output)


def opened(data: Any) -> Any:
    """Read a path into memory, as a MuData or AnnData; anything else is returned as it is."""
    path = as_path(data)
    if not isinstance(path, Path):
        return data
    found = read_several(path)
    if isinstance(found, AnnData):
        return found
    return read_mudata(path)


def save(data: Any, output: AnyPath) -> None:
    """Write a MuData as .h5mu or an AnnData as .h5ad, atomically."""
    with atomic(output) as temporary:
        if isinstance(data, AnnData):
            data.write_h5ad(temporary)
        else:
            with without_advice():
                data.write_h5mu(temporary)


def _is_mudata_zarr(path: Path) -> bool:
    """Whether a folder is the zarr store of a MuData, which has a group of modalities."""
    return path.suffix == ".zarr" and (path / "mod").is_dir()
