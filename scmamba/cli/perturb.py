"""``scmamba perturb``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_MOST_ROWS = 20
"""Rows of the table of what predictions rest on that are shown."""


def perturb(
    input: Path,
    *,
    perturbations: list[str] | None = None,
    output: Path | None = None,
    pert_key: str | None = None,
    control: str | None = None,
    cells: Path | None = None,
    mean: bool = False,
    dose: float | None = None,
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
        File to write: predicted cells (.h5ad), or with ``mean`` or ``effects`` a table (.csv or
        .tsv).
    pert_key
        ``obs`` column with the perturbation of each cell.
    control
        Value of that column for control cells.
    cells
        Control cells to perturb; without it, those of ``input``.
    mean
        Write mean changes instead of cells.
    dose
        Dose of the perturbations that are predicted, in the unit of ``dose_key``; without it, that
        measured.
    model
        Folder of a saved perturbation model.
    save_model
        Folder to save the model to.
    report
        HTML file for a report of the predicted cells, with figures and tables.
    """
    from scmamba import pl
    from scmamba._arguments import check_number
    from scmamba._errors import ScmambaError
    from scmamba._files import writable, writable_folder
    from scmamba.cli._cells import read_cells, write_cells
    from scmamba.cli._sequences import table_file, write_table
    from scmamba.tasks import PerturbationModel
    from scmamba.tasks import perturb as task

    if (perturbations is None) != (output is None):
        raise ScmambaError("--perturbations and --output belong together; give both or neither")
    if output is None and save_model is None:
        raise ScmambaError("nothing to do; give --perturbations and --output, or --save_model")
    check_number("dose", dose, low=0)
    if dose is not None and model is None and options.get("dose_key") is None:
        raise ScmambaError(f"--dose {dose:g} needs --dose_key, the obs column with measured doses")
    as_table = mean or bool(options.get("effects"))
    if report is not None and (output is None or as_table):
        raise ScmambaError("--report shows predicted cells; give --output, and leave --mean out")
    if output is not None and as_table:
        table_file(output)
    elif output is not None and output.suffix != ".h5ad":
        raise ScmambaError(f"cannot write cells to {output}: end its name with .h5ad")
    for path in (output, report):
        if path is not None:
            writable(path)
    if save_model is not None:
        writable_folder(save_model)
    adata = read_cells(input)
    controls = None if cells is None else read_cells(cells)
    if model is not None:
        fitted = PerturbationModel.load(model)
        controls = adata if controls is None else controls
    elif pert_key is None:
        raise ScmambaError("--pert_key is missing; name the obs column with the perturbations")
    else:
        fitted = task(adata, pert_key, control, perturbations=perturbations, model=None, **options)
        if controls is None and control is not None:
            controls = adata[adata.obs[pert_key].astype(str) == control].copy()
    support = None if perturbations is None else fitted.support(perturbations)
    print(fitted)
    if save_model is not None:
        fitted.save(save_model)
    if perturbations is None or output is None or support is None:
        return
    if as_table:
        write_table(fitted.predict_mean(controls, perturbations, dose=dose), output, index=True)
    else:
        predicted = fitted.predict(controls, perturbations, dose=dose)
        write_cells(predicted, output)
        if report is not None:
            title = f"Perturbations predicted from {input.name}"
            pl.report(predicted, report, controls=controls, model=fitted, title=title)
    print(support.head(_MOST_ROWS).to_string(index=False))
    print(f"{output}: {len(perturbations)} perturbation(s) predicted")
