"""``scmamba predict-sequences``."""

from __future__ import annotations

from pathlib import Path


def predict_sequences(
    input: Path, *, output: Path, model: Path, column: str | None = None, proba: bool = False
) -> None:
    """Predict sequences with a saved predictor.

    Parameters
    ----------
    input
        Sequences: a FASTA, .csv or .tsv file.
    output
        Table to write, .csv or .tsv: a row a sequence.
    model
        Folder that ``scmamba fit-sequences`` wrote.
    column
        Of a table: where the sequences are; "sequence", if left out.
    proba
        Write the probability of each class too.
    """
    import pandas as pd

    from scmamba._errors import ScmambaError
    from scmamba.cli._sequences import table_file, write_table
    from scmamba.tasks.sequence import load

    table_file(output)
    predictor = load(model)
    if predictor.targets.task == "token":
        raise ScmambaError(f"{model} predicts every nucleotide; call its predict from Python")
    said = predictor.predict(input, column=column)
    table = pd.DataFrame(said)
    if proba:
        chances = predictor.predict_proba(input, column=column)
        table = table.join(chances.rename(columns=lambda name: f"p_{name}"))
    write_table(table, output, index=True)
    print(f"{output}: {len(table):,} sequences")
