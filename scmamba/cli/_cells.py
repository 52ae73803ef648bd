"""Cells from and to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scmamba._errors import ScmambaError
from scmamba._files import atomic

if TYPE_CHECKING:
    from anndata import AnnData


def existing(path: Path) -> Path:
    """``path`` if it is a file.

    Raises
    ------
    ScmambaError
        If it is not.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ScmambaError(f"{path} {what}; give an .h5ad file")
    return path


def read_cells(path: Path) -> AnnData:
    """Read an ``.h5ad`` file into memory.

    Raises
    ------
    ScmambaError
        If the file is missing or is no readable AnnData.
    """
    import anndata

    try:
        return anndata.read_h5ad(existing(path))
    except (OSError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ScmambaError):
            raise
        raise ScmambaError(
            f"{path} cannot be read as .h5ad ({error}); write it with adata.write_h5ad"
        ) from error


def write_cells(adata: AnnData, path: Path) -> None:
    """Write ``adata`` to ``path``, whole or not at all."""
    with atomic(path) as temporary:
        adata.write_h5ad(temporary, compression="gzip")


def check_column(adata: AnnData, key: str | None) -> None:
    """Check that ``adata.obs`` has the column ``key``, if one is given.

    Raises
    ------
    ScmambaError
        If it has not.
    """
    if key is not None and key not in adata.obs:
        raise ScmambaError(f"{key!r} is not in obs, which has {', '.join(map(str, adata.obs))}")
