"""``scmamba gene-network``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def gene_network(
    input: Path,
    *,
    output: Path,
    cells_output: Path | None = None,
    model: str | None = None,
    regulators: Path | None = None,
    known_targets: Path | None = None,
    picture: Path | None = None,
    **options: Any,
) -> None:
    """Write the edges from regulators to targets that a model or a correlation finds.

    Parameters
    ----------
    input
        Cells: an .h5ad, .zarr or .h5mu file, a 10x .h5 file or mtx folder.
    output
        CSV file to write, one row per edge.
    cells_output
        File to write as well: the same cells with the edges in ``varp``.
    model
        A registered name, or the folder of a cell model, an annotator or an integrator; without
        it, a compact model of these cells.
    regulators
        Text file with one gene a line, such as transcription factors; genes that the cells or
        the model lack are left out.
    known_targets
        CSV file with columns ``regulator`` and ``target``.
    picture
        PNG, PDF or SVG file to write.
    """
    import pandas as pd

    from scmamba._read import read_text, reading
    from scmamba.cli._cells import read_cells
    from scmamba.cli._sequences import figure_file, table_file, write_figure, write_table
    from scmamba.pl import gene_network as draw
    from scmamba.tasks import gene_network as task

    table_file(output)
    if picture is not None:
        figure_file(picture)
    names = None if regulators is None else read_text(regulators).split()
    known = None
    if known_targets is not None:
        with reading(known_targets, damage=(ValueError,)):
            known = pd.read_csv(known_targets)
    network = task(
        read_cells(input) if cells_output is None else input,
        model,
        names,
        known_targets=known,
        missing="skip",
        key_added="scmamba",
        output=cells_output,
        **options,
    )
    write_table(network.edges, output)
    if picture is not None:
        write_figure(draw(network.edges), picture)
    print(network)
