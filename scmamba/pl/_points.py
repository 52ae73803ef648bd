"""Cells or sequences as points on a plane: their places, labels, colors and legend."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN
from scmamba._text import label_texts
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import GRAY, INK, is_gray, palette, text_width

if TYPE_CHECKING:
    from anndata import AnnData

_ALIKE = 0.2  # distance in RGB below which colors of dots are taken for one another


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

    Colors in ``uns`` are taken, except those that look like the gray of unknown cells. A label that
    only a later key has does not get the color of another label.
    """
    known: dict[str, str] = {}
    for key in labels:
        kind = adata.obs[key]
        names = kind.cat.categories if hasattr(kind, "cat") else sorted(labels[key].dropna())
        names = label_texts(list(dict.fromkeys(names)))[0].tolist()
        given = adata.uns.get(f"{key}_colors", ())
        given = list(map(str, given)) if len(given) == len(names) else list(palette(len(names)))
        pairs = zip(names, _without_gray(given), strict=True)
        known |= _apart({name: color for name, color in pairs if name not in known}, known)
    drawn = set().union(*(values.dropna() for values in labels.values()))
    colors = {name: color for name, color in known.items() if name in drawn}
    unknown = {name: GRAY for name in colors if name.lower() == UNKNOWN}
    return {name: color for name, color in colors.items() if name not in unknown} | unknown


def _without_gray(colors: list[str]) -> list[str]:
    """Replace colors that look gray by those of scanpy's palette that differ most from others."""
    taken = [color for color in colors if not is_gray(color)]
    free = [c for c in palette(28) if not is_gray(c) and max(to_rgb(c)) < 0.75]
    found = []
    for color in colors:
        if is_gray(color) and free and taken:
            color = max(free, key=lambda one: _distance(one, taken))
            free.remove(color)
            taken.append(color)
        found.append(color)
    return found


def _apart(added: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Replace added colors that look like known ones by those of scanpy that differ most."""
    if not known:
        return dict(added)
    kept = [color for color in added.values() if _distance(color, known.values()) >= _ALIKE]
    taken, found = [*known.values(), *kept], {}
    free = [c for c in palette(102) if not is_gray(c)]
    for name, color in added.items():
        if color not in kept:
            color = max(free, key=lambda one: _distance(one, taken))
            taken.append(color)
        found[name] = color
    return found


def _distance(color: str, others: Iterable[str]) -> float:
    """Distance in RGB, each in [0, 1], to the nearest of other colors."""
    return min(math.dist(to_rgb(color), to_rgb(other)) for other in others)


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
    canvas: Canvas, colors: Mapping[str, str], columns: int, *, left: float, top: float
) -> None:
    """Name the colors, from a place given in inches."""
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=6, markeredgewidth=0, color=color)
        for color in colors.values()
    ]
    canvas.legend(
        handles,
        list(colors),
        loc="upper left",
        at=(left, top),
        ncols=columns,
        borderaxespad=0,
        borderpad=0,
        columnspacing=1.2,
        frameon=False,
        fontsize=9,
        handletextpad=0.3,
        labelcolor=INK,
    )
