"""``scmamba predict-sequences``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from scmamba.tasks.sequence import SequencePredictor, Sequences


def predict_sequences(
    input: Path, *, output: Path, model: Path, column: str | None = None, proba: bool = False
) -> None:
    """Predict sequences with a saved predictor.

    Parameters
    ----------
    input
        Sequences: a FASTA, .csv or .tsv file.
    output
        Table to write, .csv or .tsv: one row per sequence, or per nucleotide if each has a class.
    model
        Folder that ``scmamba fit-sequences`` wrote.
    column
        Column of a table with the sequences; "sequence", if left out.
    proba
        Write the probability of each class too.
    """
    from scmamba.cli._sequences import table_file, write_table
    from scmamba.tasks.sequence import load, read_sequences

    table_file(output)
    predictor = load(model)
    data = read_sequences(input, column=column)
    table = (_by_nucleotide if predictor.targets.task == "token" else _by_sequence)(
        predictor, data, proba
    )
    write_table(table, output, index=True)
    print(f"{output}: {len(data):,} sequences")


def _by_sequence(predictor: SequencePredictor, data: Sequences, proba: bool) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(predictor.predict(data))
    return _with(table, predictor.predict_proba(data)) if proba else table


def _by_nucleotide(predictor: SequencePredictor, data: Sequences, proba: bool) -> pd.DataFrame:
    """Return one row per nucleotide: its sequence, position, letter and class."""
    import pandas as pd

    parts = [
        pd.DataFrame(
            {"name": name, "position": range(len(text)), "ref": list(text), "prediction": said}
        )
        for name, text, said in zip(
            data.names, data.sequences, predictor.predict(data), strict=True
        )
    ]
    table = pd.concat(parts).set_index("name")
    return _with(table, pd.concat(predictor.predict_proba(data))) if proba else table


def _with(table: pd.DataFrame, chances: pd.DataFrame) -> pd.DataFrame:
    """``table`` and probabilities side by side, row by row: names may repeat."""
    table[[f"p_{name}" for name in chances]] = chances.to_numpy()
    return table
