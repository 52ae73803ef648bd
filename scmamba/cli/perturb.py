"""``scmamba perturb``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def perturb(
    input: Path,
    *,
    perturbations: list[str] | None = None,
    output: Path | None = None,
    pert_key: str | None = None,
    control: str | None = None,
    cells: Path | None = None,
    mean: bool = False,
    model: Path | None = None,
    save_model: Path | None = None,
    report: Path | None = None,
    **options: Any,
) -> None:
    """Learn the effects of perturbations from a screen, and predict others.

    Parameters
    ----------
    input
        Perturbed and control cells, or effects: an .h5ad, .zarr or .h5mu file; with a saved
        ``model``, control cells to perturb.
    perturbations
        Perturbations to predict: ``[A,B,A+B]``; without it, the model is fitted only.
    output
        File to write: predicted cells (.h5ad), or with ``mean`` a table (.csv).
    pert_key
        ``obs`` column with the perturbation of each cell.
    control
        Value of that column for control cells.
    cells
        Control cells to perturb; without it, those of ``input``.
    mean
        Write mean changes instead of cells.
    model
        Folder of a saved perturbation model.
    save_model
        Folder to save the model to.
    report
        HTML file for a report of the predicted cells, with figures and tables.
    """
    from scmamba import pl
    from scmamba._errors import ScmambaError
    from scmamba._files import atomic, writable, writable_folder
    from scmamba.cli._cells import read_cells, write_cells
    from scmamba.tasks import PerturbationModel
    from scmamba.tasks import perturb as task

    if (perturbations is None) != (output is None):
        raise ScmambaError("--perturbations and --output belong together; give both or neither")
    if output is None and save_model is None:
        raise ScmambaError("nothing to do; give --perturbations and --output, or --save_model")
    if report is not None and (output is None or mean):
        raise ScmambaError("--report shows predicted cells; give --output, and leave --mean out")
    for path in (output, report):
        if path is not None:
            writable(path)
    if save_model is not None:
        writable_folder(save_model)
    adata = read_cells(input)
    if model is not None:
        fitted = PerturbationModel.load(model)
    elif pert_key is None:
        raise ScmambaError("--pert_key is missing; name the obs column with the perturbations")
    else:
        fitted = task(adata, pert_key, control, model=None, **options)
    print(fitted)
    if save_model is not None:
        fitted.save(save_model)
    if perturbations is None or output is None:
        return
    controls = None
    if cells is not None:
        controls = read_cells(cells)
    elif model is not None:
        controls = adata
    elif control is not None:
        controls = adata[adata.obs[pert_key].astype(str) == control].copy()
    if mean or controls is None:
        table = fitted.predict_mean(controls, perturbations)
        with atomic(output) as temporary:
            table.to_csv(temporary)
    else:
        predicted = fitted.predict(controls, perturbations)
        write_cells(predicted, output)
        if report is not None:
            title = f"Perturbations predicted from {input.name}"
            pl.report(predicted, report, controls=controls, model=fitted, title=title)
    print(f"{output}: {len(perturbations)} perturbation(s) predicted")
