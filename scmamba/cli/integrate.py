"""``scmamba integrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def integrate(
    input: list[Path] | Path,
    *,
    batch_key: str,
    output: Path,
    labels_key: str | None = None,
    model: str | None = None,
    save_model: Path | None = None,
    report: Path | None = None,
    truth_key: str | None = None,
    key_added: str = "scmamba",
    **options: Any,
) -> None:
    """Embed cells of several batches so that batches mix and cell types stay apart.

    Parameters
    ----------
    input
        Cells of several batches with counts: .h5ad, .zarr or .h5mu files, 10x .h5 files or mtx
        folders; with a saved ``model``, cells to map into it.
    batch_key
        ``obs`` column with the batch of each cell.
    output
        File to write: the same cells with the embedding; of several files, a folder. Rerunning an
        interrupted command resumes it.
    labels_key
        ``obs`` column with cell types; may be missing for some cells.
    model
        Folder of a saved integrator, which new cells are mapped into; or folder or name of a
        pretrained model.
    save_model
        Folder to save the integrator to.
    report
        HTML file for a report with figures and tables.
    truth_key
        ``obs`` column with known cell types, only to score and color the result; scores need
        scib-metrics.
    key_added
        Prefix of what is written.
    """
    from scmamba._files import writable, writable_folder
    from scmamba.benchmark._installed import check_installed
    from scmamba.cli._cells import check_columns, read_results
    from scmamba.cli._report import report_of
    from scmamba.tasks import integrate as task

    if report is not None:
        writable(report)
    if save_model is not None:
        writable_folder(save_model)
    if truth_key is not None:
        check_installed({"scib_metrics": "--truth_key"}, extra="benchmark")
    files = [input] if isinstance(input, Path) else input
    check_columns(files, truth_key)
    fitted = task(
        files if len(files) > 1 else files[0],
        batch_key,
        labels_key=labels_key,
        model=model,
        key_added=key_added,
        copy=False,
        output=output,
        **options,
    )
    if save_model is not None:
        fitted.save(save_model)
    if truth_key is not None or report is not None:
        page = report_of(
            files, output, "Batches of", key_added=key_added, options=options, model=fitted,
            batch_key=batch_key, labels_key=truth_key if truth_key is not None else labels_key,
        )  # fmt: skip
        if truth_key is not None and page.scores is not None:
            print(page.scores)
        if report is not None:
            page.save(report)
    obs = read_results(files, output).obs
    print(f"{output}: {len(obs):,} cells of {obs[batch_key].nunique()} batches integrated")
