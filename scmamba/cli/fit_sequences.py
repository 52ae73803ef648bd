"""``scmamba fit-sequences``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def fit_sequences(
    input: Path,
    *,
    labels: list[str] | str,
    output: Path,
    validation: Path | None = None,
    model: str | None = None,
    **options: Any,
) -> None:
    """Learn to predict labels or numbers from sequences, and save the predictor.

    Parameters
    ----------
    input
        Table of sequences and labels, .csv or .tsv.
    labels
        Column with the class or number of each sequence; several columns as "[one, two]"; for
        nucleotides a column of text with one letter per nucleotide.
    output
        Folder to save the predictor to.
    validation
        Table of held-out sequences with the same columns, which make all choices; left out, a
        seventh of the input is held out.
    model
        Folder of a pretrained model or a registered name; left out, a compact model is trained from
        scratch.
    """
    from scmamba._files import writable_folder
    from scmamba.tasks.sequence import fit

    writable_folder(output)
    predictor = fit(
        input,
        labels[0] if isinstance(labels, list) and len(labels) == 1 else labels,
        validation=validation,
        model=model,
        **options,
    )
    predictor.save(output)
    print(predictor.validation_table.round(3).to_string())
    print(f"{output}: {predictor}")
