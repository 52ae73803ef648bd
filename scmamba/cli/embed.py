"""``scmamba embed``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def embed(
    input: list[Path] | Path,
    *,
    output: Path,
    model: str,
    dask_scheduler: str | None = None,
    **options: Any,
) -> None:
    """Write the embedding that a pretrained model gives each cell.

    Parameters
    ----------
    input
        Cells to embed: .h5ad, .zarr or .h5mu files, 10x .h5 files or mtx
        folders, of any size.
    output
        File to write: the same cells with ``obsm["X_scmamba"]``; of several files, a folder.
        Rerunning an interrupted command resumes it.
    model
        A registered name or a folder with a model.
    dask_scheduler
        Address of a dask scheduler, such as ``tcp://host:8786``: its workers, which see the same
        files, do the work; if left out: this process.
    """
    from scmamba.cli._cells import read_results
    from scmamba.tasks import embed as task

    files = [input] if isinstance(input, Path) else input
    task(
        files if len(files) > 1 else files[0],
        model,
        output=output,
        copy=False,
        client=dask_scheduler,
        **options,
    )
    print(f"{output}: embeddings of {read_results(files, output).n_obs:,} cells")
