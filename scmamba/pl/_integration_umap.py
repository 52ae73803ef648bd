"""Batches and labels of the same cells on several embeddings: before correction and after."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from scmamba.pl._canvas import Canvas
from scmamba.pl._points import (
    behind_first,
    colors_of,
    coordinates,
    labels_of,
    legend,
    scatter,
)
from scmamba.pl._style import GRAY, MUTED, text_width, title

if TYPE_CHECKING:
    from anndata import AnnData

_PANEL, _GAP, _MARGIN, _HEAD = 3.0, 0.25, 0.4, 0.4
_ROW = 0.21
BEFORE_AND_AFTER = {"Before": "X_umap_before", "After": "X_umap"}


def integration_umap(
    adata: AnnData,
    batch_key: str,
    labels_key: str | None = None,
    bases: Mapping[str, str] = BEFORE_AND_AFTER,
    *,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw cells colored by batch (top) and by label (bottom), on one embedding after another.

    Batches should mix from left to right while labels stay apart. No color hides another: cells
    are drawn in random order, unlabeled ones in gray at the back.

    Parameters
    ----------
    adata
        Cells, (n_cells, n_genes); not changed. Colors are those of ``uns[f"{key}_colors"]``, else
        scanpy's.
    batch_key
        ``obs`` column with the batch of each cell.
    labels_key
        ``obs`` column of labels, a second row of panels; None: batches alone.
    bases
        Title of each column of panels and the ``obsm`` key of its coordinates.
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
        A column or an embedding is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(60, 20, 3, n_batches=2)
    >>> adata.obsm["X_umap"] = np.random.default_rng(0).normal(size=(60, 2))
    >>> figure = scmamba.pl.integration_umap(adata, "batch", "cell_type", {"After": "X_umap"})
    >>> len(figure.axes)
    2
    """
    points = {name: coordinates(adata, key) for name, key in bases.items()}
    keys = [key for key in (batch_key, labels_key) if key is not None]
    labels = {key: labels_of(adata, key) for key in keys}
    colors = {key: colors_of(adata, {key: labels[key]}) for key in keys}
    across = len(points) * (_PANEL + _GAP)
    named = max(text_width(names) for names in colors.values()) + 0.4
    heights = {key: max(_PANEL, len(colors[key]) * _ROW) + _GAP for key in keys}
    canvas = Canvas(_MARGIN + across + named, sum(heights.values()) + _HEAD)
    top = sum(heights.values())
    for row, key in enumerate(keys):
        shades = labels[key].map(colors[key]).fillna(GRAY).to_numpy()
        order = behind_first(labels[key], colors[key])
        for i, (name, where) in enumerate(points.items()):
            left = _MARGIN + i * (_PANEL + _GAP)
            axes = canvas.place(left, top - _PANEL, _PANEL, _PANEL)
            scatter(axes, where[order], c=shades[order])
            if row == 0:
                title(axes, name)
            if i == 0:
                axes.set_ylabel(key, fontsize=10, color=MUTED)
        legend(canvas, colors[key], 1, left=_MARGIN + across, top=top - 0.05)
        top -= heights[key]
    return canvas.finish(show, save)
