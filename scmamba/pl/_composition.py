"""What batches consist of."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._points import colors_of, labels_of, legend, legend_columns
from scmamba.pl._side_column import side_column
from scmamba.pl._style import GRAY, INK, quiet, text_width, title

if TYPE_CHECKING:
    from anndata import AnnData

_BAR, _WIDE = 0.32, 4.2  # inches


def composition(
    adata: AnnData,
    groupby: str,
    labels_key: str = "scmamba_cell_type",
    *,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw what each batch, donor or sample consists of: one bar each, a color for each label.

    Parameters
    ----------
    adata
        Cells; not changed. Colors are those of ``uns[f"{labels_key}_colors"]``, else scanpy's.
    groupby
        ``obs`` column of batches.
    labels_key
        ``obs`` column of labels; cells without one are left out.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure with the fraction of each label, and at the right the number of cells.

    Raises
    ------
    ScmambaError
        A column is missing, or no cell has both.

    Examples
    --------
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(60, 20, 3, n_batches=2)
    >>> figure = scmamba.pl.composition(adata, "batch", "cell_type")
    >>> len(figure.axes[0].get_yticklabels())
    2
    """
    labels, groups = labels_of(adata, labels_key), labels_of(adata, groupby)
    colors = colors_of(adata, {labels_key: labels})
    counts = pd.crosstab(groups, labels)
    if counts.empty:
        raise ScmambaError(f"no cell has a value of both {groupby!r} and {labels_key!r}")
    counts = counts[[name for name in colors if name in counts]]
    shares = counts.div(counts.sum(1), axis=0)
    names, high = list(map(str, shares.index)), _BAR * len(shares)
    left = text_width(names) + 0.3
    columns = legend_columns(colors, _WIDE + 0.6)
    foot = 0.65 + 0.21 * -(-len(colors) // columns)
    canvas = Canvas(left + _WIDE + 0.9, foot + high + 0.65, ax)
    axes = canvas.place(left, foot, _WIDE, high)
    start = np.zeros(len(shares))
    for name in shares:
        values = shares[name].to_numpy()
        axes.barh(range(len(shares)), values, 0.74, left=start, color=colors.get(str(name), GRAY))
        start += values
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.5), xlabel="fraction of cells")
    side_column(axes, "cells", (f"{n:,}" for n in counts.sum(1)))
    quiet(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    title(axes, "Composition", f"{labels_key} by {groupby}")
    legend(canvas, colors, columns, left=left, top=foot - 0.5)
    return canvas.finish(show, save)
