"""Truth, best guess and confidence side by side on one embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN, Keys
from scmamba.pl._style import GREY, INK, MUTED, canvas, palette, place, text_width, title

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
) -> Figure:
    """Draw truth, prediction and confidence of the cells on a two-dimensional embedding.

    A label has one colour in both panels: that of ``adata.uns[f"{truth}_colors"]``, else of
    ``adata.uns[f"{prediction}_colors"]``, else scanpy's. Unknown and missing labels are grey and
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

    Returns
    -------
    A figure; ``figure.savefig(path)`` writes it.

    Raises
    ------
    ScmambaError
        If a column or the embedding is missing.
    """
    points = _coordinates(adata, basis)
    keys = [prediction] if truth is None else [truth, prediction]
    labels = {key: _labels(adata, key) for key in keys}
    values = _column(adata, confidence).to_numpy(dtype=float)
    colors = _colors(adata, labels)

    n_panels = len(keys) + 1
    across = len(keys) * (_PANEL + _GAP) - _GAP
    columns = max(1, min(int(across / (text_width(colors) + 0.36)), len(colors)))
    foot = max(-(-len(colors) // columns) * _ROW, 0.5) + 0.15
    width = 2 * _MARGIN + n_panels * (_PANEL + _GAP) - _GAP
    figure = canvas(width, _HEAD + _PANEL + foot)
    panels = [
        place(figure, _MARGIN + i * (_PANEL + _GAP), foot, _PANEL, _PANEL) for i in range(n_panels)
    ]
    for key, axes in zip(keys, panels, strict=False):
        order = _behind_first(labels[key], colors)
        shades = labels[key].map(colors).fillna(GREY).to_numpy()
        _scatter(axes, points[order], c=shades[order])
    if truth is not None:
        title(panels[0], "Truth", truth)
    title(panels[-2], "Best guess" if truth else "Prediction", _summary(labels, truth, prediction))
    order = np.argsort(-np.nan_to_num(values, nan=2.0), kind="stable")
    drawn = _scatter(panels[-1], points[order], c=values[order], cmap=_CONFIDENCE, vmin=0, vmax=1)
    title(panels[-1], "Confidence", f"median {np.nanmedian(values):.2f}")
    _legend(figure, colors, columns, foot)
    bar = place(figure, width - _MARGIN - _PANEL, foot - 0.25, _PANEL, 0.09)
    figure.colorbar(drawn, cax=bar, orientation="horizontal")
    bar.tick_params(labelsize=8, colors=MUTED, length=2, color=GREY)
    bar.set_xlabel("probability of the best guess", fontsize=8, color=MUTED, labelpad=2)
    bar.spines[:].set_visible(False)
    return figure


def _coordinates(adata: AnnData, basis: str) -> NDArray[np.float64]:
    key = basis if basis in adata.obsm else f"X_{basis}"
    if key not in adata.obsm:
        raise ScmambaError(
            f"basis={basis!r} is not in adata.obsm, which has {sorted(adata.obsm)}; "
            "compute it with scanpy.pp.neighbors and scanpy.tl.umap, or name another"
        )
    return np.asarray(adata.obsm[key], dtype=np.float64)[:, :2]


def _column(adata: AnnData, key: str) -> pd.Series:
    if key not in adata.obs:
        raise ScmambaError(f"{key!r} is not in adata.obs, which has {sorted(adata.obs)}")
    return adata.obs[key]


def _labels(adata: AnnData, key: str) -> pd.Series:
    column = _column(adata, key)
    return column.astype(object).where(column.notna()).map(str, na_action="ignore")


def _colors(adata: AnnData, labels: Mapping[str, pd.Series]) -> dict[str, str]:
    """One colour for each label that is drawn, in the order of the categories."""
    known: dict[str, str] = {}
    for key in labels:
        column = adata.obs[key]
        names = column.cat.categories if hasattr(column, "cat") else sorted(labels[key].dropna())
        names = [str(name) for name in dict.fromkeys(names)]
        given = adata.uns.get(f"{key}_colors", ())
        given = given if len(given) == len(names) else palette(len(names))
        known |= {name: str(c) for name, c in zip(names, given, strict=True) if name not in known}
    drawn = set().union(*(column.dropna() for column in labels.values()))
    colors = {name: color for name, color in known.items() if name in drawn}
    unknown = {name: GREY for name in colors if name.lower() == UNKNOWN}
    return {name: color for name, color in colors.items() if name not in unknown} | unknown


def _behind_first(labels: pd.Series, colors: Mapping[str, str]) -> NDArray[np.int64]:
    """Grey cells first, the others shuffled so that no label hides another."""
    order = np.random.default_rng(0).permutation(len(labels))
    colored = (labels.map(colors).fillna(GREY) != GREY).to_numpy()
    return order[np.argsort(colored[order], kind="stable")]


def _scatter(axes: Axes, points: NDArray[np.float64], **style: object):  # type: ignore[no-untyped-def]
    size = float(np.clip(24_000 / max(len(points), 1), 1.5, 26))
    drawn = axes.scatter(*points.T, s=size, linewidths=0, rasterized=True, **style)  # type: ignore[arg-type]
    axes.set(xticks=[], yticks=[])
    axes.margins(0.04)
    axes.spines[:].set_color("#e9edf1")
    return drawn


def _summary(labels: Mapping[str, pd.Series], truth: str | None, prediction: str) -> str:
    guess = labels[prediction]
    if truth is None:
        return f"{guess.notna().sum():,} cells"
    both = guess.notna() & labels[truth].notna()
    if not both.any():
        return ""
    right = (guess[both] == labels[truth][both]).mean()
    return f"{right:.1%} of {both.sum():,} cells right"


def _legend(figure: Figure, colors: Mapping[str, str], columns: int, foot: float) -> None:
    width, height = figure.get_size_inches()
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=6, markeredgewidth=0, color=color)
        for color in colors.values()
    ]
    figure.legend(
        handles,
        list(colors),
        loc="upper left",
        bbox_to_anchor=(_MARGIN / width, (foot - 0.1) / height),
        ncols=columns,
        borderaxespad=0,
        borderpad=0,
        columnspacing=1.2,
        frameon=False,
        fontsize=9,
        handletextpad=0.3,
        labelcolor=INK,
    )
