"""Cells from and to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scmamba._errors import ScmambaError
from scmamba._files import atomic

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

MOST_SHOWN = 20_000
"""Cells that are drawn and scored."""


def read_results(input: list[Path], output: Path, *entries: str) -> AnnData:
    """Read ``obs`` and colors of the annotated cells, without expression or arrays.

    Parameters
    ----------
    input
        Files of cells.
    output
        The file with the results, or their folder where there were several.
    entries
        Entries of ``uns`` that are read too; those of the first file count.

    Returns
    -------
    The cells of all files one after the other.
    """
    import anndata
    from anndata.io import read_elem

    from scmamba.stream.source import OnDisk, open_cells

    found: list[AnnData] = []
    told: dict[str, Any] = {}
    for path in outputs(input, output):
        with open_cells(path) as cells:
            found.append(anndata.AnnData(obs=cells.obs, uns=dict(cells.uns)))
            if len(found) == 1 and isinstance(cells, OnDisk) and "uns" in cells.group:
                stored = cells.group["uns"]
                told = {name: read_elem(stored[name]) for name in entries if name in stored}
    joined = found[0] if len(found) == 1 else anndata.concat(found, uns_merge="first")
    joined.uns.update(told)
    return joined


def read_some(
    input: list[Path],
    output: Path,
    results: AnnData,
    embedding: str,
    where: Mapping[str, Any],
    most: int = MOST_SHOWN,
) -> AnnData:
    """Read at most ``most`` cells of ``results``, drawn by ``settings.seed``, to show them.

    Parameters
    ----------
    input, output
        Files of cells and of results, as :func:`read_results` takes them.
    results
        Cells that :func:`read_results` returned.
    embedding
        ``obsm`` key that is read, with ``X_umap``, as far as all files have it.
    where
        ``layer``, ``use_raw`` and ``gene_key`` of :func:`scmamba.pp.expression`; None as there.
    most
        Cells, at most.

    Returns
    -------
    Cells with the expression of the genes that all files have.
    """
    import anndata
    import numpy as np

    from scmamba._settings import settings
    from scmamba.stream.expressions import Expressions
    from scmamba.stream.sampling import sample
    from scmamba.stream.source import OnDisk, open_cells
    from scmamba.tasks._gather import gather, together

    rows, found = sample(results.n_obs, most, settings.seed), []
    parts: dict[str, list[np.ndarray]] = {embedding: [], "X_umap": []}
    paths, start = outputs(input, output), 0
    for path in paths:
        with open_cells(path) as cells:
            assert isinstance(cells, OnDisk)
            here = rows[(rows >= start) & (rows < start + cells.n_obs)] - start
            for name in parts:
                if name in cells.group["obsm"]:
                    parts[name].append(_take(cells.group["obsm"][name], here))
            found.append(gather(Expressions.of(cells, **where), here, "to show them")[0])
            start += cells.n_obs
    stacked = together(found)
    some = anndata.AnnData(stacked.X, obs=results.obs.iloc[rows].copy(), uns=dict(results.uns))
    some.var_names = stacked.var_names.astype(str)
    some.var_names_make_unique()
    for name, arrays in parts.items():
        if len(arrays) == len(paths):
            some.obsm[name] = np.concatenate(arrays)
    return some


def _take(array: Any, rows: np.ndarray, step: int = 1 << 14) -> np.ndarray:
    """Ascending rows of an array on disk, which is quicker read in blocks than row by row."""
    import numpy as np

    parts = []
    for start in range(0, array.shape[0], step):
        here = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + step)]
        if len(here):
            parts.append(array[start : start + step][here - start])
    return np.concatenate(parts) if parts else array[:0]


def outputs(input: list[Path], output: Path) -> list[Path]:
    """Files with the results."""
    from scmamba.jobs.inputs import output_name

    return [output] if len(input) == 1 else [output / output_name(one) for one in input]


def read_cells(path: Path) -> AnnData:
    """Read all cells of a file into memory; of several modalities, the RNA."""
    from anndata import read_h5ad
    from anndata.io import read_elem

    from scmamba.stream.formats import format_of, read_10x
    from scmamba.stream.groups import open_group, readable

    if format_of(path).startswith("10x"):
        return read_10x(path)
    with open_group(path) as group, readable(str(path)):
        return read_h5ad(path) if path.suffix == ".h5ad" else read_elem(group)


def write_cells(adata: AnnData, path: Path) -> None:
    """Write ``adata`` to ``path`` atomically."""
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
