"""``scmamba generate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def generate(prompts: str, *, output: Path, model: str, **options: Any) -> None:
    """Write sequences that a causal model continues from prompts.

    Parameters
    ----------
    prompts
        Beginnings of the sequences: a sequence, or a FASTA or csv file.
    output
        File to write: .fa or .fasta, or a table, .csv or .tsv.
    model
        A registered name or a folder with a causal model.
    """
    from scmamba.cli._sequences import table_file, write_fasta, write_table
    from scmamba.tasks.sequence import generate as task

    table_file(output, ".fa", ".fasta")
    table = task(prompts, model, **options)
    if output.suffix in (".fa", ".fasta"):
        write_fasta(table.index, table["sequence"], output)
    else:
        write_table(table, output, index=True)
    print(f"{output}: {len(table):,} sequences")
