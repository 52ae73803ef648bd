"""Columns of ``obs`` that describe a screen, read and checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._arguments import check_value
from scmamba._errors import ScmambaError
from scmamba._text import label_texts, obs_column
from scmamba.learn.effects.names import Perturbation, PerturbationNames


@dataclass(frozen=True)
class Columns:
    """Names of the columns of ``obs`` that describe a screen.

    Attributes
    ----------
    perturbation, context, dose, batch
        Column names; None where there is no such column.
    control
        Value of the perturbation column in control cells; "" where effects were given.
    """

    perturbation: str
    control: str
    context: str | None = None
    dose: str | None = None
    batch: str | None = None


def check_cells(cells: object, option: str) -> None:
    """Raise ScmambaError for what is neither an AnnData nor a MuData, such as a path."""
    if not hasattr(cells, "obs_names"):
        raise ScmambaError(
            f"{option} is a {type(cells).__name__}; give an AnnData: anndata.read_h5ad(path)"
        )


def read_perturbations(
    obs: pd.DataFrame, columns: Columns
) -> tuple[list[Perturbation], npt.NDArray[np.bool_]]:
    """Perturbation of each cell, and which cells have one or are controls.

    Raises
    ------
    ScmambaError
        If the control is not among the values.
    """
    labels, missing = label_texts(obs_column(obs, columns.perturbation, "pert_key", "adata.obs"))
    values = sorted(set(labels[~missing]))
    check_value("control", columns.control, values, f"obs[{columns.perturbation!r}]")
    names = PerturbationNames(columns.control, values)
    parsed = {value: names.parse(value) for value in values}
    return [parsed.get(label, ()) for label in labels], ~missing


def read_labels(
    obs: pd.DataFrame, key: str | None, option: str
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    """Label of each cell, "" without a column; and which labels are missing."""
    if key is None:
        return np.full(len(obs), "", object), np.zeros(len(obs), bool)
    return label_texts(obs_column(obs, key, option, "adata.obs"))


def read_doses(
    obs: pd.DataFrame, key: str | None, needed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Dose of each cell, NaN without a column.

    Raises
    ------
    ScmambaError
        If a dose that is ``needed`` is no finite number of at least 0.
    """
    if key is None:
        return np.full(len(obs), np.nan)
    column = obs_column(obs, key, "dose_key", "adata.obs")
    values = pd.to_numeric(column.astype(object), errors="coerce").to_numpy(float)
    bad = needed & ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise ScmambaError(
            f"dose_key={key!r} holds {int(bad.sum())} value(s) that are no doses, first "
            f"{column.iloc[first]}; give finite numbers of at least 0"
        )
    return values
