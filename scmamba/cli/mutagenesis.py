"""``scmamba mutagenesis``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def mutagenesis(
    input: str,
    *,
    output: Path,
    model: str,
    record: str | None = None,
    heatmap: Path | None = None,
    logo: Path | None = None,
    **options: Any,
) -> None:
    """Change a sequence in every way asked for, and write what each change does.

    Parameters
    ----------
    input
        A sequence, or a FASTA or csv file.
    output
        Table to write, .csv or .tsv: one row per change.
    model
        A registered name, a folder with a model, or one with a fitted predictor.
    record
        Name of the sequence to change, where the file holds several.
    heatmap
        Picture of all changes to write.
    logo
        Picture to write of what each nucleotide is worth.
    """
    from scmamba._errors import ScmambaError
    from scmamba._files import writable
    from scmamba.cli._sequences import table_file, write_figure, write_table
    from scmamba.tasks.sequence import mutagenesis as task
    from scmamba.tasks.sequence import read_sequences

    table_file(output)
    for path in filter(None, (heatmap, logo)):
        writable(path)
    data = read_sequences(input)
    known = dict(zip(data.names, data.sequences, strict=True))
    if record is None and len(data) == 1:
        record = data.names[0]
    if record not in known:
        raise ScmambaError(
            f"{input} holds {len(data)} sequences, such as {', '.join(data.names[:5])}; name the "
            "one to change: --record"
        )
    table = task({record: known[record]}, model, **options)
    write_table(table, output)
    if heatmap is not None or logo is not None:
        from scmamba import pl

        if heatmap is not None:
            write_figure(pl.mutagenesis_heatmap(table), heatmap)
        if logo is not None:
            write_figure(pl.mutagenesis_logo(table), logo)
    print(f"{output}: {len(table):,} changes of {record}")
