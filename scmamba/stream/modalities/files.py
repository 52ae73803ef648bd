"""Files with several modalities: MuData as .h5mu or .zarr, AnnData, Cell Ranger."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
import zarr
from anndata import AnnData
from anndata.io import read_elem

from scmamba._errors import ScmambaError
from scmamba.stream._chunks import check_table_chunks
from scmamba.stream._stores import refuse_pickles
from scmamba.stream.formats import format_of, read_10x
from scmamba.stream.groups import Group, readable


@dataclass(frozen=True)
class Several:
    """Modalities by name and annotations of all cells, as in a MuData."""

    mod: Mapping[str, AnnData]
    obs: pd.DataFrame


def read_several(path: Path) -> AnnData | Several:
    """Read a file of cells into memory, with all of its modalities.

    Parameters
    ----------
    path
        ``.h5mu`` or ``.zarr`` of a MuData, ``.h5ad`` or ``.zarr`` of an AnnData, Cell Ranger's
        ``.h5`` file or folder with ``matrix.mtx``. Mudata need not be installed.

    Raises
    ------
    ScmambaError
        If the file is missing, damaged, or in no supported format.
    """
    kind = format_of(path)
    if kind.startswith("10x"):
        return read_10x(path)
    way = "mudata.write" if kind == ".h5mu" else "adata.write_h5ad, mudata.write or their zarr"
    with readable(str(path), way):
        if kind == ".zarr":
            refuse_pickles(path)
            return _read(zarr.open_group(path, mode="r", use_consolidated=False), path)
        with h5py.File(path, "r") as file:
            return _read(file, path)


def read_mudata(path: Path) -> Any:
    """Read an .h5mu or .zarr file into a MuData.

    Raises
    ------
    ScmambaError
        Mudata is not installed, or the file is damaged.
    """
    try:
        import mudata
    except ImportError as error:
        raise ScmambaError(
            f"{path} becomes a MuData, and mudata is not installed: pip install "
            "'scmamba[multiomics]'"
        ) from error
    with readable(str(path), "mudata.write"), without_advice():
        return mudata.read_h5mu(path) if path.suffix == ".h5mu" else mudata.read_zarr(path)


@contextmanager
def without_advice() -> Iterator[None]:
    """Read and write files without mudata's advice, which is for callers of its ``update``."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="mudata")
        yield


def _read(group: Group, path: Path) -> AnnData | Several:
    if "mod" not in group:
        return _anndata(group, path)
    axis = int(group.attrs.get("axis", 0))
    if axis != 0:
        raise ScmambaError(
            f"{path} is a MuData that shares features, not cells (axis={axis}); give one whose "
            "modalities are of the same cells: axis=0"
        )
    order = group["mod"].attrs.get("mod-order")
    names = [str(name) for name in (group["mod"] if order is None else order)]
    mod = {name: _anndata(group["mod"][name], path) for name in names}
    return Several(mod, read_elem(group["obs"]))


def _anndata(group: Group, path: Path) -> AnnData:
    for table in ("obs", "var"):
        check_table_chunks(group[table], str(path))
    found = read_elem(group)
    if not isinstance(found, AnnData):
        raise TypeError(f"it holds a {type(found).__name__}")
    return found
