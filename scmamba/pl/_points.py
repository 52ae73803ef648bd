"""Cells or sequences as points on a plane: their places, labels, colors and legend."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN
from scmamba._text import label_texts
from scmamba.pl._style import GRAY, INK, is_gray, palette, text_width

if TYPE_CHECKING:
    from anndata import AnnData


def coordinates(adata: AnnData, basis: str) -> NDArray[np.float64]:
    """(n, 2) places in ``obsm``, by their key or scanpy's short form of it."""
    key = basis if basis in adata.obsm else f"X_{basis}"
    if key not in adata.obsm:
        raise ScmambaError(
            f"basis={basis!r} is not in adata.obsm, which has {sorted(adata.obsm)}; "
            "compute it with scanpy.pp.neighbors and scanpy.tl.umap, or name another"
        )
    return np.asarray(adata.obsm[key], dtype=np.float64)[:, :2]


def column(adata: AnnData, key: str) -> pd.Series:
    """Return an ``obs`` column.

    Raises
    ------
    ScmambaError
        There is none of that name.
    """
    if key not in adata.obs:
        raise ScmambaError(f"{key!r} is not in adata.obs, which has {sorted(adata.obs)}")
    return adata.obs[key]


def labels_of(adata: AnnData, key: str) -> pd.Series:
    """Return an ``obs`` column as text, NaN where it is missing."""
    texts, missing = label_texts(column(adata, key), name=f"adata.obs[{key!r}]")
    return pd.Series(texts, adata.obs_names, dtype=object).mask(missing)


def colors_of(adata: AnnData, labels: Mapping[str, pd.Series]) -> dict[str, str]:
    """Return one color for each label that is drawn, in the order of the categories.

    Colors in ``uns`` are taken, except those that look like the gray of unknown cells.
    """
    known: dict[str, str] = {}
    for key in labels:
        kind = adata.obs[key]
        names = kind.cat.categories if hasattr(kind, "cat") else sorted(labels[key].dropna())
        names = label_texts(list(dict.fromkeys(names)))[0].tolist()
        given = adata.uns.get(f"{key}_colors", ())
        given = list(map(str, given)) if len(given) == len(names) else list(palette(len(names)))
        pairs = zip(names, _without_gray(given), strict=True)
        known |= {name: color for name, color in pairs if name not in known}
    drawn = set().union(*(values.dropna() for values in labels.values()))
    colors = {name: color for name, color in known.items() if name in drawn}
    unknown = {name: GRAY for name in colors if name.lower() == UNKNOWN}
    return {name: color for name, color in colors.items() if name not in unknown} | unknown


def _without_gray(colors: list[str]) -> list[str]:
    """Replace colors that look gray by those of scanpy's palette that differ most from others."""
    taken = [to_rgb(color) for color in colors if not is_gray(color)]
    free = [c for c in palette(28) if not is_gray(c) and max(to_rgb(c)) < 0.75]
    found = []
    for color in colors:
        if is_gray(color) and free and taken:
            color = max(free, key=lambda one: min(math.dist(to_rgb(one), other) for other in taken))
            free.remove(color)
            taken.append(to_rgb(color))
        found.append(color)
    return found


def behind_first(labels: pd.Series, colors: Mapping[str, str]) -> NDArray[np.int64]:
    """Gray cells first, the others shuffled so that no label hides another."""
    order = np.random.default_rng(0).permutation(len(labels))
    colored = (labels.map(colors).fillna(GRAY) != GRAY).to_numpy()
    return order[np.argsort(colored[order], kind="stable")]


def scatter(axes: Axes, points: NDArray[np.float64], **style: object):  # type: ignore[no-untyped-def]
    """Draw points, smaller the more there are, in bare axes."""
    size = float(np.clip(24_000 / max(len(points), 1), 1.5, 26))
    drawn = axes.scatter(*points.T, s=size, linewidths=0, rasterized=True, **style)  # type: ignore[arg-type,misc]
    axes.set(xticks=[], yticks=[])
    axes.margins(0.04)
    axes.spines[:].set_color("#e9edf1")
    return drawn


def legend_columns(colors: Mapping[str, str], across: float) -> int:
    """Entries of a legend that stand side by side in ``across`` inches."""
    return max(1, min(int(across / (text_width(colors) + 0.36)), len(colors)))


def legend(
    figure: Figure, colors: Mapping[str, str], columns: int, *, left: float, top: float
) -> None:
    """Name the colors, from a place given in inches."""
    width, height = figure.get_size_inches()
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=6, markeredgewidth=0, color=color)
        for color in colors.values()
    ]
    figure.legend(
        handles,
        list(colors),
        loc="upper left",
        bbox_to_anchor=(left / width, top / height),
        ncols=columns,
        borderaxespad=0,
        borderpad=0,
        columnspacing=1.2,
        frameon=False,
        fontsize=9,
        handletextpad=0.3,
        labelcolor=INK,
    )
