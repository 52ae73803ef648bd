"""Imputed against measured values."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import BLUE, GRAY, quiet, title


def imputed(
    measured: Any,
    imputed: Any,
    names: npt.ArrayLike | None = None,
    *,
    most: int = 12,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw imputed against measured values, one panel per feature, with the correlation.

    Parameters
    ----------
    measured, imputed
        (n_cells, n_features) values in the same unit, log1p of counts is usual; tables, arrays or
        sparse. Of two tables, rows and columns are matched by name. NaN is left out.
    names
        (n_features,) titles; None: the columns of a table.
    most
        Most panels: the first features.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure; the gray line is the identity.

    Raises
    ------
    ScmambaError
        If shapes differ, or of two tables the cells or features.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> measured = np.random.default_rng(0).poisson(3, (30, 2))
    >>> figure = scmamba.pl.imputed(measured, measured * 0.9, ["CD3", "CD4"])
    >>> len(figure.axes)
    2
    """
    if isinstance(measured, pd.DataFrame) and isinstance(imputed, pd.DataFrame):
        imputed = _in_order_of(measured, imputed)
    if names is None:
        names = getattr(measured, "columns", getattr(imputed, "columns", None))
    truth, found = _dense(measured), _dense(imputed)
    if truth.shape != found.shape or truth.ndim != 2:
        raise ScmambaError(
            f"measured has shape {truth.shape} and imputed {found.shape}; give cells by features "
            "of the same shape"
        )
    n = min(truth.shape[1], most)
    titles = [str(i) for i in range(n)] if names is None else [str(x) for x in np.asarray(names)]
    columns, size, gap = min(n, 5), 1.75, 0.45
    rows = -(-n // columns)
    canvas = Canvas(0.65 + columns * (size + gap), 0.55 + rows * (size + 0.8))
    for i in range(n):
        bottom = 0.55 + (rows - 1 - i // columns) * (size + 0.8)
        axes = canvas.place(0.65 + (i % columns) * (size + gap), bottom, size, size)
        known = np.isfinite(truth[:, i]) & np.isfinite(found[:, i])
        x, y = truth[known, i], found[known, i]
        ends = [float(min(x.min(), y.min())), float(max(x.max(), y.max()))] if len(x) else [0, 1]
        axes.plot(ends, ends, color=GRAY, linewidth=1)
        dot = float(np.clip(4_000 / max(len(x), 1), 1, 12))
        axes.scatter(x, y, s=dot, color=BLUE, alpha=0.4, linewidths=0, rasterized=True)
        varies = len(x) > 1 and x.std() > 0 and y.std() > 0
        quiet(axes)
        title(axes, titles[i], f"Pearson {np.corrcoef(x, y)[0, 1]:.2f}" if varies else "")
        if i // columns == rows - 1 or i + columns >= n:
            axes.set_xlabel("measured")
        if i % columns == 0:
            axes.set_ylabel("imputed")
    return canvas.finish(show, save)


def _in_order_of(measured: pd.DataFrame, imputed: pd.DataFrame) -> pd.DataFrame:
    """Return the imputed values of the same cells and features, in the same order."""
    for axis, what in enumerate(("cells", "features")):
        ours, theirs = measured.axes[axis], imputed.axes[axis]
        if not (ours.is_unique and theirs.is_unique and set(ours) == set(theirs)):
            lacking = [str(name) for name in ours.symmetric_difference(theirs)[:3]]
            raise ScmambaError(
                f"measured and imputed are tables of different {what} "
                f"({', '.join(lacking) or 'a name repeats'}); give tables of the same, such as "
                "imputed[measured.columns]"
            )
    return imputed.loc[measured.index, measured.columns]


def _dense(values: Any) -> npt.NDArray[np.float64]:
    return np.asarray(values.toarray() if sparse.issparse(values) else values, dtype=np.float64)
