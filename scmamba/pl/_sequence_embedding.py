"""Embedded sequences on a plane, colored by a label or a number."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from scmamba._errors import ScmambaError
from scmamba._keys import Keys
from scmamba.pl._canvas import Canvas
from scmamba.pl._coordinates import umap
from scmamba.pl._points import (
    behind_first,
    colors_of,
    column,
    coordinates,
    labels_of,
    legend,
    legend_columns,
    scatter,
)
from scmamba.pl._style import BLUE, GRAY, MUTED, title

if TYPE_CHECKING:
    from anndata import AnnData

_PANEL, _MARGIN, _HEAD, _ROW = 4.6, 0.3, 0.6, 0.21
_FEWEST = 5


def sequence_embedding(
    adata: AnnData,
    color: str | None = None,
    *,
    basis: str = "X_umap",
    embedding: str = Keys().embedding,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw a UMAP of embedded sequences.

    Parameters
    ----------
    adata
        What :func:`scmamba.tasks.sequence.embed` gives, pooled; not changed.
    color
        ``obs`` column: a label has a color each (those of ``adata.uns``, where there are any), a
        number a color bar. None: one color.
    basis
        ``obsm`` key of two coordinates. ``"X_umap"`` is computed where it is missing.
    embedding
        ``obsm`` key to compute it from.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure; ``figure.savefig(path)`` writes it.

    Raises
    ------
    ScmambaError
        A column or the embedding is missing, or there are fewer than 5 sequences.

    Examples
    --------
    >>> import numpy as np
    >>> import anndata
    >>> import scmamba
    >>> adata = anndata.AnnData(obs={"strand": ["+", "-"] * 4})
    >>> adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(8, 2))
    >>> len(scmamba.pl.sequence_embedding(adata, "strand").axes)
    1
    """
    points = _points(adata, basis, embedding)
    numbers = labels = None
    colors: dict[str, str] = {}
    if color is not None:
        values = column(adata, color)
        kinds = pd.api.types
        if kinds.is_numeric_dtype(values) and not kinds.is_bool_dtype(values):
            numbers = values.to_numpy(dtype=float)
        else:
            labels = labels_of(adata, color)
            colors = colors_of(adata, {color: labels})
    columns = legend_columns(colors, _PANEL)
    foot = max(-(-len(colors) // columns) * _ROW, 0 if numbers is None else 0.35) + 0.2
    canvas = Canvas(2 * _MARGIN + _PANEL, _HEAD + _PANEL + foot, ax)
    axes = canvas.place(_MARGIN, foot, _PANEL, _PANEL)
    title(axes, "Sequences" if color is None else color, f"{adata.n_obs:,} sequences")
    if numbers is not None:
        _by_number(canvas, points, numbers, foot)
    elif labels is not None and colors:
        order = behind_first(labels, colors)
        scatter(axes, points[order], c=labels.map(colors).fillna(GRAY).to_numpy()[order])
        legend(canvas, colors, columns, left=_MARGIN, top=foot - 0.1)
    else:
        scatter(axes, points, color=BLUE)
    return canvas.finish(show, save)


def _points(adata: AnnData, basis: str, embedding: str) -> NDArray[np.float64]:
    """Coordinates that are there, or a UMAP of a light copy."""
    if basis != "X_umap" or basis in adata.obsm:
        return coordinates(adata, basis)
    if embedding not in adata.obsm:
        raise ScmambaError(
            f"embedding={embedding!r} is not in adata.obsm, which has {sorted(adata.obsm)}; give "
            "what scmamba.tasks.sequence.embed returns"
        )
    if adata.n_obs < _FEWEST:
        raise ScmambaError(
            f"{adata.n_obs} sequences are too few for a UMAP; give {_FEWEST} or more, or "
            "coordinates of your own: basis="
        )
    return umap(adata.obsm[embedding])


def _by_number(
    canvas: Canvas, points: NDArray[np.float64], values: NDArray[np.float64], foot: float
) -> None:
    """High values on top, a color bar beneath."""
    order = np.argsort(np.nan_to_num(values, nan=-np.inf), kind="stable")
    drawn = scatter(
        canvas.axes[0], points[order], c=values[order], cmap="viridis", plotnonfinite=True
    )
    bar = canvas.place(_MARGIN, foot - 0.25, _PANEL, 0.09)
    canvas.figure.colorbar(drawn, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=8, colors=MUTED, length=2, color=GRAY)
    bar.spines[:].set_visible(False)
