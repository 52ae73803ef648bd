"""``scmamba annotate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def annotate(
    input: Path,
    *,
    output: Path,
    reference: Path | None = None,
    model: str | None = None,
    save_model: Path | None = None,
    report: Path | None = None,
    truth_key: str | None = None,
    key_added: str = "scmamba",
    **options: Any,
) -> None:
    """Predict cell types, from labelled cells among the input, a reference or a saved annotator.

    Parameters
    ----------
    input
        Cells to annotate, an .h5ad file.
    output
        File to write: the same cells with the predictions in ``obs``.
    reference
        Labelled cells to learn from, an .h5ad file.
    model
        Folder of a saved annotator, or folder or name of a pretrained model.
    save_model
        Folder to save the annotator to.
    report
        HTML file to write pictures and figures to.
    truth_key
        ``obs`` column of the input with known labels, only to score the predictions.
    key_added
        Prefix of what is written.
    """
    from scmamba._files import writable, writable_folder
    from scmamba._keys import Keys
    from scmamba.cli._cells import check_column, existing, read_cells, write_cells
    from scmamba.cli._report import counts, score, write_report
    from scmamba.tasks import annotate as task

    for path in filter(None, (output, report)):
        writable(path)
    if save_model is not None:
        writable_folder(save_model)
    for path in filter(None, (input, reference)):
        existing(path)
    adata = read_cells(input)
    check_column(adata, truth_key)
    annotator = task(
        adata,
        reference=None if reference is None else read_cells(reference),
        model=model,
        key_added=key_added,
        copy=False,
        **options,
    )
    keys = Keys(key_added)
    write_cells(adata, output)
    if save_model is not None:
        annotator.save(save_model)
    print(counts(adata, keys).to_string())
    if truth_key is not None:
        print(score(adata, keys, truth_key))
    if report is not None:
        write_report(report, f"Cell types of {input.name}", adata, keys, truth_key, annotator)
    print(f"{output}: {adata.n_obs:,} cells annotated")
