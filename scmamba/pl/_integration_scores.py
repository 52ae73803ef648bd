"""Scores of batch correction as a table of dots and bars, and what each method costs."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import BLUE, GRAY, INK, LINE, MUTED, quiet, text_width, title

if TYPE_CHECKING:
    from scmamba.metrics import IntegrationScores

_CELL, _BAR, _LINE, _HEAD, _FOOT = 0.62, 0.95, 0.34, 1.35, 0.45
_GROUPS = {"Bio conservation": "#4f8f5b", "Batch correction": "#7a5ea8", "Total": BLUE}
_SHADES = LinearSegmentedColormap.from_list("score", ["#f4f1ea", "#cfdff0", "#7fb0d8", "#2b6cb0"])


def integration_scores(
    scores: IntegrationScores, *, show: bool = False, save: str | PathLike[str] | None = None
) -> Figure:
    """Draw every score of every embedding, best total first.

    Parameters
    ----------
    scores
        From :func:`scmamba.metrics.integration`.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure: a dot a metric, with its value in it, and bars for the means of both groups and
    for the total. Dots are shaded from the worst of a metric (at most 0) to 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba import pl
    >>> from scmamba.metrics import IntegrationScores
    >>> table = pd.DataFrame(
    ...     {"KMeans NMI": [0.8], "iLISI": [0.6], "Bio conservation": [0.8],
    ...      "Batch correction": [0.6], "Total": [0.72]},
    ...     index=["scmamba"],
    ... )
    >>> groups = {"KMeans NMI": "Bio conservation", "iLISI": "Batch correction"}
    >>> figure = pl.integration_scores(IntegrationScores(table, groups, n_cells=900, n_scored=900))
    >>> len(figure.axes)
    4
    """
    table = scores.table.sort_values("Total", ascending=False)
    ordered = [
        *(name for name, kind in scores.groups.items() if kind == "Bio conservation"),
        *(name for name, kind in scores.groups.items() if kind != "Bio conservation"),
    ]
    left = text_width(map(str, table.index)) + 0.35
    wide = left + _CELL * len(ordered) + 0.25 + _BAR * len(_GROUPS) + 0.2
    high = _LINE * len(table)
    canvas = Canvas(wide, _HEAD + high + _FOOT)
    dots = canvas.place(left, _FOOT, _CELL * len(ordered), high)
    _dots(dots, table[ordered], [_GROUPS[scores.groups[name]] for name in ordered])
    dots.set_yticks(range(len(table)), [str(name) for name in table.index])
    for i, (name, color) in enumerate(_GROUPS.items()):
        start = left + _CELL * len(ordered) + 0.25 + i * _BAR
        _bars(canvas.place(start, _FOOT, _BAR - 0.12, high), table[name], color)
    note = f"{scores.n_scored:,} of {scores.n_cells:,} cells scored; 1 is best, none is rescaled"
    canvas.text(left, 0.14, note, fontsize=8, color=MUTED)
    return canvas.finish(show, save)


def _dots(axes: Axes, table: pd.DataFrame, colors: list[str]) -> None:
    values = table.to_numpy()
    x, y = np.meshgrid(range(values.shape[1]), range(values.shape[0]))
    axes.scatter(x, y, s=430, c=values, cmap=_SHADES, vmin=0, vmax=1, linewidths=0)
    for i, j in np.ndindex(*values.shape):
        if np.isfinite(values[i, j]):
            shade = "white" if values[i, j] > 0.75 else INK
            text = f"{values[i, j]:.2f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color=shade)
    _heads(axes, [str(name) for name in table], colors)
    axes.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(len(values) - 0.5, -0.5), xticks=[])
    axes.tick_params(axis="y", labelsize=9, labelcolor=INK, length=0)
    axes.spines[:].set_visible(False)


def _bars(axes: Axes, column: pd.Series, color: str) -> None:
    rows = np.arange(len(column))
    axes.barh(rows, np.ones(len(column)), 0.62, color=LINE)
    axes.barh(rows, column.clip(lower=0), 0.62, color=color)
    best = column.round(3) == column.round(3).max()
    for row, value in enumerate(column):
        weight = "bold" if best.iloc[row] else "normal"
        inside = value > 0.45
        shade, x = ("white", 0.05) if inside else (INK, max(value, 0) + 0.05)
        axes.text(x, row, f"{value:.3f}", va="center", fontsize=8, color=shade, weight=weight)
    _heads(axes, [str(column.name)], [color])
    axes.set(xlim=(0, 1), ylim=(len(column) - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _heads(axes: Axes, names: list[str], colors: list[str]) -> None:
    """Names over columns, slanted so that long ones fit."""
    for i, (name, color) in enumerate(zip(names, colors, strict=True)):
        axes.annotate(
            name,
            ((i + 0.5) / len(names), 1),
            (-4, 6),
            xycoords="axes fraction",
            textcoords="offset points",
            rotation=40,
            rotation_mode="anchor",
            ha="left",
            fontsize=9,
            color=color,
            fontweight="bold" if len(names) == 1 else "normal",
        )


def integration_runs(
    runs: pd.DataFrame, *, show: bool = False, save: str | PathLike[str] | None = None
) -> Figure:
    """Draw the total and the isolated-label score of every run, its seconds and its memory.

    Parameters
    ----------
    runs
        A row a method and seed: columns ``method``, ``Total``, ``Isolated labels`` (both about in
        [0, 1]), ``seconds`` and ``peak GB``.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure with a line a method, in the order of their mean totals: a small dot a seed, a bar at
    their mean.

    Raises
    ------
    ScmambaError
        A column is missing, or there are no runs.

    Examples
    --------
    >>> import pandas as pd
    >>> import scmamba
    >>> runs = pd.DataFrame({
    ...     "method": ["scmamba", "PCA"],
    ...     "Total": [0.75, 0.55],
    ...     "Isolated labels": [0.7, 0.6],
    ...     "seconds": [60.0, 1.0],
    ...     "peak GB": [1.5, 0.8],
    ... })
    >>> len(scmamba.pl.integration_runs(runs).axes)
    4
    """
    panels = {
        "Total": ("Total", "of the scib metrics"),
        "Isolated labels": ("Isolated labels", "rare types kept"),
        "seconds": ("Seconds", "to fit and embed"),
        "peak GB": ("Peak memory", "GB, libraries included"),
    }
    if lacking := [name for name in ("method", *panels) if name not in runs]:
        raise ScmambaError(f"runs has no column {lacking[0]!r}; it has {', '.join(runs)}")
    if runs.empty:
        raise ScmambaError("runs is empty; run at least one method")
    means = runs.groupby("method")[[*panels]].mean().sort_values("Total")
    left, high, wide = text_width(means.index) + 0.35, 0.32 * len(means) + 0.2, 1.75
    canvas = Canvas(left + len(panels) * (wide + 0.25), high + 1.15)
    rows = dict(zip(means.index, range(len(means)), strict=True))
    for i, (name, words) in enumerate(panels.items()):
        axes = canvas.place(left + i * (wide + 0.25), 0.4, wide, high)
        axes.hlines(range(len(means)), 0, 1, color=LINE, transform=axes.get_yaxis_transform())
        axes.scatter(runs[name], runs["method"].map(rows), s=22, color=GRAY, zorder=2)
        axes.scatter(means[name], range(len(means)), s=160, marker="|", color=BLUE, zorder=3)
        if name == "seconds":
            axes.set_xscale("log")
            wide_range = runs[name].max() > 30 * runs[name].min()
            axes.xaxis.set_major_locator(LogLocator(subs=(1,) if wide_range else (1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yticks(range(len(means)), means.index if i == 0 else [])
        axes.set_ylim(-0.6, len(means) - 0.4)
        quiet(axes)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", labelcolor=INK, length=0)
        title(axes, *words)
    return canvas.finish(show, save)
