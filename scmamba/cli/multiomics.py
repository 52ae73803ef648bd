"""``scmamba multiomics``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def multiomics(
    input: Path,
    *,
    output: Path,
    model: str | None = None,
    save_model: Path | None = None,
    report: Path | None = None,
    **options: Any,
) -> None:
    """Embed cells with RNA, surface proteins and chromatin together.

    Parameters
    ----------
    input
        Cells with several modalities: .h5mu, .h5ad, .zarr, Cell Ranger's .h5 or folder.
    output
        File to write: the same cells with the embedding; .h5mu where the input is a MuData, else
        .h5ad.
    model
        Folder of a saved model, into which the cells are mapped. Folder or registered name of a
        pretrained model of cells: a fit starts at its vectors.
    save_model
        Folder to save the fitted model to.
    report
        HTML file for a report with figures and tables.
    """
    from scmamba import pl
    from scmamba._files import writable, writable_folder
    from scmamba._keys import PREFIX
    from scmamba.cli._report import read_any
    from scmamba.tasks import multiomics as task
    from scmamba.tasks._multiomics.model import is_multiomics

    if save_model is not None:
        writable_folder(save_model)
    if report is not None:
        writable(report)
    fitted = task(input, model=model, output=output, **options)
    if save_model is not None:
        fitted.save(save_model)
    if report is not None:
        pl.report(
            read_any(output),
            report,
            labels_key=options.get("labels_key"),
            batch_key=options.get("batch_key"),
            model=fitted,
            title=f"Modalities of {input.name}",
            key_added=options.get("key_added", PREFIX),
        )
    print(fitted)
    done = "mapped" if model is not None and is_multiomics(model) else "fitted"
    print(f"{output}: {_n_cells(output):,} cells {done}")


def _n_cells(path: Path) -> int:
    """Return how many cells a .h5ad or .h5mu file has."""
    import h5py

    with h5py.File(path) as file:
        obs = file["obs"]
        return len(obs[obs.attrs["_index"]])
