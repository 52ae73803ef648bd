"""Files of cells opened as groups of h5py or zarr, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py
import zarr
from anndata._io.specs.registry import IORegistryError

from scmamba._errors import ScmambaError
from scmamba.pp._checks import RNA
from scmamba.stream._stores import refuse_pickles

DAMAGED = (
    AttributeError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    IORegistryError,
)
"""Errors that anndata, h5py and zarr raise for content that they cannot read."""

Group = Any  # h5py.Group or zarr.Group: they read alike


@contextmanager
def open_group(path: Path, mode: Literal["r", "r+", "a"] = "r") -> Iterator[Group]:
    """Open an h5ad file, a zarr folder, or the modality ``rna`` of an h5mu file.

    Raises
    ------
    ScmambaError
        If it is none of these.
    """
    way = "adata.write_zarr" if path.is_dir() else "adata.write_h5ad"
    if path.suffix.lower() == ".h5mu":
        way = "mudata.write_h5mu"
    with readable(str(path), way):
        if path.is_dir():  # consolidated metadata cannot be written to
            refuse_pickles(path)
            group = zarr.open_group(path, mode=mode, use_consolidated=False)
        else:
            group = h5py.File(path, mode)
    try:
        yield _rna(group, path) if path.suffix.lower() == ".h5mu" else group
    finally:
        if isinstance(group, h5py.File):
            group.close()


def _rna(file: h5py.File, path: Path) -> h5py.Group:
    modalities = list(file.get("mod", ()))
    if RNA not in modalities:
        raise ScmambaError(
            f"{path} has no modality {RNA!r}, only {', '.join(map(repr, modalities)) or 'none'}; "
            "rename the one with gene expression with mudata, or write it alone: "
            "mdata.mod[...].write_h5ad"
        )
    return file[f"mod/{RNA}"]


@contextmanager
def readable(name: str, way: str = "adata.write_h5ad or adata.write_zarr") -> Iterator[None]:
    """Turn any error of reading a damaged file into a ScmambaError that names the file."""
    try:
        yield
    except (ScmambaError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, IORegistryError):
            raise ScmambaError(
                f"{name} was written by a newer version of anndata ({reason}); update it: pip "
                "install -U anndata"
            ) from error
        raise ScmambaError(
            f"{name} cannot be read ({reason}): it is damaged or not an AnnData file; write it "
            f"again with {way}"
        ) from error
