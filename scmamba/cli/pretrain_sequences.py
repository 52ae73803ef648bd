"""``scmamba pretrain-sequences``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def pretrain_sequences(
    input: str,
    *,
    output: Path,
    model: str = "bimamba2",
    history: Path | None = None,
    **options: Any,
) -> None:
    """Learn the language of sequences, without labels, and save the model.

    Parameters
    ----------
    input
        A FASTA or csv file.
    output
        Folder to save the model to.
    model
        A preset to start from scratch, bimamba2 (bidirectional) or nt-mamba (causal); or a folder
        with a model or a registered name, to go on from.
    history
        Table of losses to write, .csv or .tsv: one row per epoch.
    """
    from scmamba._files import writable_folder
    from scmamba.cli._sequences import table_file, write_table
    from scmamba.tasks.sequence import pretrain

    writable_folder(output)
    if history is not None:
        table_file(history)
    result = pretrain(input, model=model, **options)
    result.save(output)
    if history is not None:
        write_table(result.history, history, index=True)
    print(f"{output}: {result.history['val_loss'].min():.3f} nats per token of held-out sequences")
