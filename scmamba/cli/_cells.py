"""Cells from and to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scmamba._errors import ScmambaError
from scmamba._files import atomic

if TYPE_CHECKING:
    from anndata import AnnData


def read_results(input: list[Path], output: Path, *embeddings: str) -> AnnData:
    """What a task wrote of the cells of ``input``, without expression.

    Parameters
    ----------
    input
        Files of cells.
    output
        The file with the results, or their folder where there were several.
    *embeddings
        Keys of ``obsm`` to read beside a UMAP.

    Returns
    -------
    obs, those arrays and colours, of all files one after the other.
    """
    import anndata
    from anndata.io import read_elem

    from scmamba.stream.source import OnDisk, open_cells

    found = []
    for path in [output] if len(input) == 1 else [output / one.name for one in input]:
        with open_cells(path) as cells:
            assert isinstance(cells, OnDisk)
            arrays = cells.group["obsm"]
            kept = {name for name in (*embeddings, "X_umap") if name in arrays}
            obsm = {name: read_elem(arrays[name]) for name in kept}
            found.append(anndata.AnnData(obs=cells.obs, obsm=obsm, uns=dict(cells.uns)))
    return found[0] if len(found) == 1 else anndata.concat(found, uns_merge="first")


def write_cells(adata: AnnData, path: Path) -> None:
    """Write ``adata`` to ``path``, whole or not at all."""
    with atomic(path) as temporary:
        adata.write_h5ad(temporary, compression="gzip")


def check_columns(paths: list[Path], key: str | None) -> None:
    """Check that ``obs`` of every file has the column ``key``, if one is given.

    Raises
    ------
    ScmambaError
        If one has not, or a file cannot be read.
    """
    from scmamba.stream.source import open_cells

    for path in paths:
        with open_cells(path) as cells:
            if key is not None and key not in cells.obs:
                columns = ", ".join(map(str, cells.obs))
                raise ScmambaError(f"{key!r} is not in obs of {path}, which has {columns}")
