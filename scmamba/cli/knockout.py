"""``scmamba knockout``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def knockout(
    input: Path,
    *,
    genes: list[str],
    output: Path,
    model: str | None = None,
    table: Path | None = None,
    dask_scheduler: str | None = None,
    **options: Any,
) -> None:
    """Write how far cells move when genes are deleted or overexpressed in a model's input.

    Parameters
    ----------
    input
        Cells: an .h5ad, .zarr or .h5mu file, a 10x .h5 file or mtx folder.
    genes
        Genes to perturb, each alone, such as ``[STAT1,IRF1]``.
    output
        File to write: the same cells with ``obsm["scmamba_knockout"]``.
    model
        A registered name, or the folder of a cell model, an annotator or an integrator; without
        it, a compact model of these cells.
    table
        CSV file to write: one row per gene with its shift, p-value and false discovery rate.
    dask_scheduler
        Address of a dask scheduler, such as ``tcp://host:8786``: its workers, which see the same
        files, do the work; if left out: this process.
    """
    from scmamba.cli._sequences import table_file, write_table
    from scmamba.tasks import knockout as task

    if table is not None:
        table_file(table)
    found = task(input, genes, model=model, output=output, client=dask_scheduler, **options)
    if table is not None:
        write_table(found.table, table, index=True)
    print(found.table.to_string())
