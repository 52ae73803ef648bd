"""Predicted against observed changes of genes."""

from __future__ import annotations

from os import PathLike

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scmamba._arguments import check_count
from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._point_names import name_points
from scmamba.pl._style import (
    BLUE,
    GRAY,
    INK,
    LINE,
    ORANGE,
    quiet,
    title,
)

_SIZE = 4.2  # inches


def perturbation_change(
    observed: pd.Series,
    predicted: pd.Series,
    *,
    n_labels: int = 10,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the predicted against the observed change of each gene after a perturbation.

    Parameters
    ----------
    observed, predicted
        (n_genes,) changes of mean log-normalized expression from control, by gene, of the same
        genes in any order; a row of ``PerturbationModel.predict_mean`` for example.
    n_labels
        Number of genes that are named: those with the largest observed change; 0: none.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure; the gray diagonal is a perfect prediction, Pearson's correlation over all genes
    stands in the corner.

    Raises
    ------
    ScmambaError
        If the two are not Series of the same genes, genes repeat, there is no gene, or a change is
        NaN or infinite.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.pl import perturbation_change
    >>> observed = pd.Series({"ISG15": 3.1, "IFI6": 2.2, "ACTB": -0.1, "CD14": -0.8})
    >>> figure = perturbation_change(observed, 0.8 * observed, n_labels=1)
    >>> sorted(text.get_text() for text in figure.axes[0].texts if text.get_text())
    ['4 genes', 'ISG15', 'Pearson 1.00', 'Predicted change']
    """
    check_count("n_labels", n_labels, least=0, optional=False)
    x, y = _changes(observed, "observed"), _changes(predicted, "predicted")
    _same_genes(x.index, y.index)
    y = y.reindex(x.index)
    named = np.argsort(-np.abs(x.to_numpy()), kind="stable")[:n_labels]
    points = np.column_stack([x, y])
    low, high = min(float(points.min()), 0.0), max(float(points.max()), 0.0)
    pad = 0.06 * (high - low) or 1.0
    ends = (low - pad, high + pad)

    canvas = Canvas(_SIZE + 0.95, _SIZE + 1.15, ax)
    axes = canvas.place(0.75, 0.5, _SIZE, _SIZE)
    axes.axhline(0, color=LINE, linewidth=1, zorder=0)
    axes.axvline(0, color=LINE, linewidth=1, zorder=0)
    axes.plot(ends, ends, color=GRAY, linewidth=1, zorder=0)
    size = float(np.clip(24_000 / len(points), 5, 26))
    axes.scatter(
        points[:, 0], points[:, 1], s=size, color=BLUE, alpha=0.45, linewidths=0, rasterized=True
    )
    axes.scatter(
        x.iloc[named], y.iloc[named], s=max(size, 14), color=ORANGE, linewidths=0, zorder=3
    )
    axes.set(xlim=ends, ylim=ends, xlabel="observed change", ylabel="predicted change")
    quiet(axes)
    name_points(axes, points[named], [str(x.index[i]) for i in named], _SIZE)
    axes.annotate(
        f"Pearson {_pearson(points)}",
        (1, 0),
        (-6, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        fontsize=10,
        color=INK,
    )
    title(axes, "Predicted change", f"{len(x):,} gene{'s' if len(x) > 1 else ''}")
    return canvas.finish(show, save)


def _changes(values: object, name: str) -> pd.Series:
    if not isinstance(values, pd.Series):
        raise ScmambaError(
            f"{name} is a {type(values).__name__}; give a pandas Series of changes by gene, such "
            "as a row of PerturbationModel.predict_mean: table.loc['STAT1']"
        )
    if values.empty:
        raise ScmambaError(f"{name} holds no gene; give the change of at least one")
    if not values.index.is_unique:
        again = values.index[values.index.duplicated()][0]
        raise ScmambaError(f"{name} holds gene {str(again)!r} more than once; keep one of each")
    try:
        found = values.astype(np.float64)
    except (TypeError, ValueError):
        raise ScmambaError(f"{name} has dtype {values.dtype}; give numbers") from None
    bad = found.index[~np.isfinite(found.to_numpy())]
    if len(bad):
        raise ScmambaError(
            f"{name} is NaN or infinite for {len(bad):,} of {len(found):,} genes, such as "
            f"{str(bad[0])!r}; leave them out of both"
        )
    return found


def _same_genes(observed: pd.Index, predicted: pd.Index) -> None:
    shared = observed.intersection(predicted)
    if len(shared) == len(observed) == len(predicted):
        return
    alone = [str(gene) for gene in observed.symmetric_difference(predicted, sort=False)[:3]]
    raise ScmambaError(
        f"observed has {len(observed):,} genes and predicted {len(predicted):,}, of which "
        f"{len(shared):,} are the same; {', '.join(map(repr, alone))} are in one only. Give "
        "both on shared genes: genes = observed.index.intersection(predicted.index)"
    )


def _pearson(points: npt.NDArray[np.float64]) -> str:
    if len(points) < 2 or (np.ptp(points, axis=0) == 0).any():
        return "undefined: one side is constant"
    return f"{np.corrcoef(points[:, 0], points[:, 1])[0, 1]:.2f}"
