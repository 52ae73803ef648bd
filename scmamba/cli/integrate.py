"""``scmamba integrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def integrate(
    input: Path,
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
        Cells of several batches with counts, an .h5ad file; with a saved ``model``, cells of a new
        batch.
    batch_key
        ``obs`` column with the batch of each cell.
    output
        File to write: the same cells with the embedding, .h5ad.
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
    import scanpy as sc

    from scmamba._files import writable, writable_folder
    from scmamba._keys import Keys
    from scmamba.benchmark._installed import check_installed
    from scmamba.cli._cells import check_columns, write_cells
    from scmamba.cli._integration_report import before, scores, write_report
    from scmamba.tasks import integrate as task

    for path in (output, report):
        if path is not None:
            writable(path)
    if save_model is not None:
        writable_folder(save_model)
    if truth_key is not None:
        check_installed({"scib_metrics": "--truth_key"}, extra="benchmark")
    check_columns([input], truth_key)
    adata = sc.read_h5ad(input)
    fitted = task(
        adata,
        batch_key,
        labels_key=labels_key,
        model=model,
        key_added=key_added,
        copy=False,
        **options,
    )
    keys = Keys(key_added)
    write_cells(adata, output)
    if save_model is not None:
        fitted.save(save_model)
    if truth_key is not None or report is not None:
        where = {name: options.get(name) for name in ("layer", "gene_key")}
        uncorrected = before(adata, **where)
        found = None
        if truth_key is not None:
            found = scores(adata, keys, batch_key, truth_key, uncorrected)
            print(found)
        if report is not None:
            shown = truth_key if truth_key is not None else labels_key
            title = f"Batches of {input.name}"
            write_report(report, title, adata, keys, batch_key, shown, uncorrected, fitted, found)
    print(f"{output}: {adata.n_obs:,} cells of {adata.obs[batch_key].nunique()} batches integrated")
