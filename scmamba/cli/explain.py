"""``scmamba explain``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def explain(
    input: Path,
    *,
    model: Path,
    output: Path,
    cells: Path | None = None,
    picture: Path | None = None,
    **options: Any,
) -> None:
    """Write the genes that decide about the labels that an annotator gives.

    Parameters
    ----------
    input
        Cells: an .h5ad, .zarr or .h5mu file, a 10x .h5 file or mtx folder.
    model
        Folder of a saved annotator, or name of one that ships.
    output
        CSV or TSV file to write: the genes that argue most for each type.
    cells
        CSV or TSV file to write: the same for each cell.
    picture
        PNG, PDF or SVG file to write: a dot plot.
    """
    from scmamba._files import writable
    from scmamba.cli._cells import read_cells
    from scmamba.cli._sequences import table_file, write_figure, write_table
    from scmamba.pl import explanation as draw
    from scmamba.tasks import Annotator
    from scmamba.tasks._annotation.explain import explain as task

    for path in (output, cells):
        if path is not None:
            table_file(path)
    if picture is not None:
        writable(picture)
    annotator = Annotator.load(model)
    found = task(annotator, read_cells(input), per_cell=cells is not None, **options)
    write_table(found.table, output)
    if cells is not None and found.cells is not None:
        write_table(found.cells, cells)
    if picture is not None:
        write_figure(draw(found), picture)
    print(found)
