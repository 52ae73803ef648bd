"""``scmamba score``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def score(input: str, *, output: Path, model: str, per_token: bool = False, **options: Any) -> None:
    """Write how likely each sequence is to a model.

    Parameters
    ----------
    input
        A FASTA or csv file, or one sequence.
    output
        Table to write, .csv or .tsv.
    model
        A registered name or a folder with a model.
    per_token
        Write one row per token instead of one row per sequence.
    """
    from scmamba.cli._sequences import table_file, write_table
    from scmamba.tasks.sequence import score as task

    table_file(output)
    table = task(input, model, per_token=per_token, **options)
    write_table(table, output, index=not per_token)
    print(f"{output}: {len(table):,} {'tokens' if per_token else 'sequences'} scored")
