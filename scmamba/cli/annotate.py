"""``scmamba annotate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def annotate(
    input: list[Path] | Path,
    *,
    output: Path,
    reference: list[Path] | Path | None = None,
    model: str | None = None,
    save_model: Path | None = None,
    report: Path | None = None,
    truth_key: str | None = None,
    key_added: str = "scmamba",
    dask_scheduler: str | None = None,
    **options: Any,
) -> None:
    """Predict cell types: with neither labels nor a model, by the annotator that ships and fits.

    Parameters
    ----------
    input
        Cells to annotate: .h5ad, .zarr or .h5mu files, 10x .h5 files or mtx
        folders, of any size.
    output
        File to write: the same cells with the predictions in ``obs``; of several files, a folder.
        Rerunning an interrupted command resumes it.
    reference
        Labeled reference cells: a file or several, in any of these formats. Without it, labels
        are those of labels_key in the input, in each file where there are several.
    model
        Folder of a saved annotator or name of one that ships (see scmamba models), or folder or
        name of a pretrained model.
    save_model
        Folder to save the annotator to.
    report
        HTML file for a report with figures and tables.
    truth_key
        ``obs`` column of the input with known labels, only to score the predictions.
    key_added
        Prefix of what is written.
    dask_scheduler
        Address of a dask scheduler, such as ``tcp://host:8786``: its workers, which see the same
        files, do the work; if left out: this process.
    """
    from scmamba._files import writable, writable_folder
    from scmamba._keys import Keys
    from scmamba.cli._cells import check_columns, read_results
    from scmamba.cli._report import report_of
    from scmamba.pl._report.sections.annotation import counts, reasons, score
    from scmamba.tasks import annotate as task

    if report is not None:
        writable(report)
    if save_model is not None:
        writable_folder(save_model)
    files = [input] if isinstance(input, Path) else input
    check_columns(files, truth_key)
    annotator = task(
        files if len(files) > 1 else files[0],
        reference=reference,
        model=model,
        key_added=key_added,
        copy=False,
        output=output,
        client=dask_scheduler,
        **options,
    )
    keys = Keys(key_added)
    if save_model is not None:
        annotator.save(save_model)
    obs = read_results(files, output).obs
    print(counts(obs, keys).to_string())
    if why := reasons(obs, keys):
        print(f"unknown, by reason: {why}")
    if truth_key is not None:
        print(score(obs, keys, truth_key))
    if report is not None:
        shown = {"labels_key": truth_key, "batch_key": options.get("batch_key")}
        if shown["batch_key"] not in obs:  # the batch of labeled cells, which others need not have
            shown["batch_key"] = None
        page = report_of(
            files, output, "Cell types of", key_added=key_added, options=options, model=annotator,
            **shown,
        )  # fmt: skip
        page.save(report)
    print(f"{output}: {len(obs):,} cells annotated")
