"""``scmamba report``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def report(
    input: Path,
    *,
    output: Path | None = None,
    model: Path | None = None,
    controls: Path | None = None,
    **options: Any,
) -> None:
    """Show the result of any task on one self-contained HTML page.

    Parameters
    ----------
    input
        File that a task or command wrote: .h5ad, .zarr or .h5mu.
    output
        HTML file to write; without it, the name of the input with .html at its end.
    model
        Folder of the annotator, integrator or other model that made the result.
    controls
        File with the control cells of predicted ones.
    """
    from scmamba._files import writable
    from scmamba.cli._cells import read_cells
    from scmamba.cli._report import read_any, read_model
    from scmamba.pl import report as draw

    path = writable(input.with_suffix(".html") if output is None else output)
    made_by = read_model(model)
    before = None if controls is None else read_cells(controls)
    cells = read_any(input)
    page = draw(cells, path, model=made_by, controls=before, sample=None, **options)
    print(page)
    print(path)
