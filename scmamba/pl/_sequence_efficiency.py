"""A benchmark of sequence classifiers: what each score costs."""

from __future__ import annotations

from os import PathLike

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scmamba.pl._canvas import Canvas
from scmamba.pl._sequence_scores import (
    SCORE_NAMES,
    check_columns,
)
from scmamba.pl._style import (
    GRAY,
    INK,
    palette,
    quiet,
    text_width,
    title,
)


def benchmark_efficiency(
    summary: pd.DataFrame,
    score: str = "mcc",
    *,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw a score against the seconds of a run; the area of a dot stands for parameters.

    Parameters
    ----------
    summary
        ``SequenceBenchmark.summary``: a row a method, with the score (and its interval),
        ``seconds`` and ``n_parameters``.
    score
        As in :func:`benchmark_by_task`.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure; vertical lines are intervals where there are any.

    Raises
    ------
    ScmambaError
        A column is missing, or the table is empty.

    Examples
    --------
    >>> import pandas as pd
    >>> import scmamba
    >>> summary = pd.DataFrame(
    ...     {"mcc": [0.8, 0.7], "seconds": [90.0, 60.0], "n_parameters": [400_000, 250_000]},
    ...     index=["scmamba", "CNN"],
    ... )
    >>> scmamba.pl.benchmark_efficiency(summary).axes[0].get_xscale()
    'log'
    """
    check_columns(summary, [score, "seconds", "n_parameters"])
    names = [f"{name}\n{_millions(n)}" for name, n in summary["n_parameters"].items()]
    canvas = Canvas(5.6 + text_width(map(str, summary.index)), 3.7, ax)
    axes = canvas.place(0.75, 0.6, 4.4, 2.35)
    sizes = 40 + 260 * summary["n_parameters"] / summary["n_parameters"].max()
    colors = palette(len(summary))
    if f"{score}_low" in summary:
        axes.vlines(
            summary["seconds"],
            summary[f"{score}_low"],
            summary[f"{score}_high"],
            color=GRAY,
            linewidth=1.5,
            zorder=1,
        )
    axes.scatter(summary["seconds"], summary[score], s=sizes, c=colors, alpha=0.85, zorder=2)
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.18)
    axes.autoscale_view()  # where each dot is, in points, is known from here on
    dots = summary[["seconds", score]].to_numpy(float)
    points = axes.transData.transform(dots) * 72 / canvas.figure.dpi
    reach = 72 * text_width(map(str, summary.index), fontsize=8) + 12
    lifts = _apart(points, reach, gap=21.0) - points[:, 1]
    for dot, name, size, lift in zip(dots, names, sizes, lifts, strict=True):
        shift = (np.sqrt(size) / 2 + 3, lift)
        axes.annotate(
            name, dot, shift, textcoords="offset points", fontsize=8, color=INK, va="center"
        )
    axes.set_xlabel("seconds to fit and predict a task, mean")
    axes.set_ylabel(SCORE_NAMES[score])
    quiet(axes, grid=True)
    title(
        axes, "What it costs", f"{SCORE_NAMES[score]}, mean over tasks and seeds; area: parameters"
    )
    return canvas.finish(show, save)


def _apart(points: npt.NDArray[np.float64], reach: float, gap: float) -> npt.NDArray[np.float64]:
    """Heights (n,) of labels beside ``points`` (n, 2), lifted where one would lie on another.

    Parameters
    ----------
    points
        Places on the page.
    reach, gap
        Width and height that a label takes up.
    """
    heights = points[:, 1].copy()
    order = np.argsort(heights, kind="stable")
    for i, this in enumerate(order):
        for below in order[:i]:
            if abs(points[this, 0] - points[below, 0]) < reach:
                heights[this] = max(heights[this], heights[below] + gap)
    return heights


def _millions(n: float) -> str:
    return f"{n / 1e6:.2f} M" if n >= 1e5 else f"{n / 1e3:.0f} k"
