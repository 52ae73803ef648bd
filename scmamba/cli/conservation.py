"""``scmamba conservation``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def conservation(
    input: str, *, output: Path, model: str, logo: Path | None = None, **options: Any
) -> None:
    """Write how much a model expects each nucleotide.

    Parameters
    ----------
    input
        A FASTA or csv file, or one sequence.
    output
        Table to write, .csv or .tsv: one row per nucleotide.
    model
        A registered name or a folder with a model.
    logo
        Picture of a sequence logo to write, of the first sequence.
    """
    from scmamba._files import writable
    from scmamba.cli._sequences import table_file, write_figure, write_table
    from scmamba.tasks.sequence import conservation as task

    table_file(output)
    if logo is not None:
        writable(logo)
    table = task(input, model, **options)
    write_table(table, output)
    if logo is not None:
        from scmamba.pl import conservation_logo

        write_figure(conservation_logo(table, table["name"].iloc[0]), logo)
    print(f"{output}: {len(table):,} nucleotides")
