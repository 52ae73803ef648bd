"""Truth, best guess and confidence side by side on one embedding."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from scmamba._keys import Keys
from scmamba.pl._canvas import Canvas
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
from scmamba.pl._style import GRAY, MUTED, title

if TYPE_CHECKING:
    from anndata import AnnData

_PANEL, _GAP, _MARGIN, _HEAD = 3.6, 0.25, 0.25, 0.6
_ROW = 0.21
# Doubt is warm and stands out, certainty is calm.
_CONFIDENCE = LinearSegmentedColormap.from_list(
    "confidence", ["#8f1d14", "#d9482b", "#f4a261", "#d5dde5", "#7fb0d8", "#2b6cb0"]
)


def umap_triptych(
    adata: AnnData,
    truth: str | None = None,
    prediction: str = Keys().best_guess,
    confidence: str = Keys().confidence,
    basis: str = "X_umap",
    *,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw truth, prediction and confidence of the cells on a two-dimensional embedding.

    A label has one color in both panels: that of ``adata.uns[f"{truth}_colors"]``, else of
    ``adata.uns[f"{prediction}_colors"]``, else scanpy's. Unknown and missing labels are gray and
    lie at the back; cells of low confidence lie on top.

    Parameters
    ----------
    adata
        Annotated cells, (n_cells, n_genes); not changed.
    truth
        ``obs`` column of known labels; None draws the two other panels alone.
    prediction, confidence
        ``obs`` columns of the predicted label and of its probability in [0, 1].
    basis
        ``obsm`` key of the coordinates, ``"X_umap"`` or in scanpy's short form ``"umap"``.
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
        If a column or the embedding is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(60, 20, 3)
    >>> adata.obs["scmamba_best_guess"] = adata.obs["cell_type"]
    >>> rng = np.random.default_rng(0)
    >>> adata.obs["scmamba_confidence"] = rng.uniform(0.5, 1, 60)
    >>> adata.obsm["X_umap"] = rng.normal(size=(60, 2))
    >>> figure = scmamba.pl.umap_triptych(adata, truth="cell_type")
    >>> len(figure.axes)  # three panels and the color bar
    4
    """
    points = coordinates(adata, basis)
    keys = [prediction] if truth is None else [truth, prediction]
    labels = {key: labels_of(adata, key) for key in keys}
    values = column(adata, confidence).to_numpy(dtype=float)
    colors = colors_of(adata, labels)

    n_panels = len(keys) + 1
    across = len(keys) * (_PANEL + _GAP) - _GAP
    columns = legend_columns(colors, across)
    foot = max(-(-len(colors) // columns) * _ROW, 0.5) + 0.15
    width = 2 * _MARGIN + n_panels * (_PANEL + _GAP) - _GAP
    canvas = Canvas(width, _HEAD + _PANEL + foot)
    panels = [
        canvas.place(_MARGIN + i * (_PANEL + _GAP), foot, _PANEL, _PANEL) for i in range(n_panels)
    ]
    for key, axes in zip(keys, panels, strict=False):
        order = behind_first(labels[key], colors)
        shades = labels[key].map(colors).fillna(GRAY).to_numpy()
        scatter(axes, points[order], c=shades[order])
    if truth is not None:
        title(panels[0], "Truth", truth)
    title(panels[-2], "Best guess" if truth else "Prediction", _summary(labels, truth, prediction))
    order = np.argsort(-np.nan_to_num(values, nan=2.0), kind="stable")
    drawn = scatter(panels[-1], points[order], c=values[order], cmap=_CONFIDENCE, vmin=0, vmax=1)
    title(panels[-1], "Confidence", f"median {np.nanmedian(values):.2f}")
    legend(canvas, colors, columns, left=_MARGIN, top=foot - 0.1)
    bar = canvas.place(width - _MARGIN - _PANEL, foot - 0.25, _PANEL, 0.09)
    canvas.figure.colorbar(drawn, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=8, colors=MUTED, length=2, color=GRAY)
    bar.set_xlabel("probability of the best guess", fontsize=8, color=MUTED, labelpad=2)
    bar.spines[:].set_visible(False)
    return canvas.finish(show, save)


def _summary(labels: Mapping[str, pd.Series], truth: str | None, prediction: str) -> str:
    guess = labels[prediction]
    if truth is None:
        return f"{guess.notna().sum():,} cells"
    both = guess.notna() & labels[truth].notna()
    if not both.any():
        return ""
    right = (guess[both] == labels[truth][both]).mean()
    return f"{right:.1%} of {both.sum():,} cells right"
