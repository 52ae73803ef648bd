"""A benchmark of sequence classifiers as a radar."""

from __future__ import annotations

from os import PathLike

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._sequence_scores import (
    SCORE_NAMES,
    scores_by_category,
    scores_by_task,
)
from scmamba.pl._style import (
    GRAY,
    INK,
    LINE,
    MUTED,
    palette,
    text_width,
)


def benchmark_radar(
    by_task: pd.DataFrame,
    score: str = "mcc",
    *,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the same as a radar: an axis a category, or a task where there are few categories.

    Parameters
    ----------
    by_task, score
        As in :func:`benchmark_by_task`.
    ax
        Polar axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure with a closed line a method; scores below 0 are drawn at 0.

    Raises
    ------
    ScmambaError
        As :func:`benchmark_by_task`, or there are fewer than three categories and tasks, or
        ``ax`` is not polar.

    Examples
    --------
    >>> import pandas as pd
    >>> import scmamba
    >>> by_task = pd.DataFrame({
    ...     "task": ["promoter", "splice", "enhancer"] * 2,
    ...     "category": ["regulation", "splicing", "chromatin"] * 2,
    ...     "method": ["scmamba"] * 3 + ["CNN"] * 3,
    ...     "mcc": [0.8, 0.7, 0.6, 0.7, 0.6, 0.5],
    ... })
    >>> figure = scmamba.pl.benchmark_radar(by_task)
    >>> figure.axes[0].name
    'polar'
    """
    values, _ = scores_by_category(by_task, score)
    if len(values) < 3:
        values, _ = scores_by_task(by_task, score)
    if len(values) < 3:
        raise ScmambaError(
            f"a radar needs three axes or more, and there are {len(values)} tasks; draw "
            "benchmark_by_task"
        )
    angles = np.linspace(0, 2 * np.pi, len(values), endpoint=False)
    side, legend = 3.2, text_width(values.columns) + 0.5
    label = text_width(values.index)
    canvas = Canvas(side + 2 * label + legend + 0.7, side + 1.75, ax)
    axes = canvas.place(label + 0.3, 0.5, side, side, projection="polar")
    if axes.name != "polar":
        raise ScmambaError(
            "a radar needs polar axes, such as matplotlib.pyplot.subplot(projection='polar')"
        )
    for color, name in zip(palette(values.shape[1]), values.columns, strict=True):
        radius = np.maximum(values[name].to_numpy(), 0)
        closed = np.append(angles, angles[0]), np.append(radius, radius[0])
        axes.plot(*closed, color=color, linewidth=1.8, marker="o", markersize=4, label=name)
    axes.set_xticks(angles, values.index)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.25, 0.5, 0.75, 1.0], ["", "0.5", "", "1"])
    axes.set_rlabel_position(180 / len(values))  # type: ignore[attr-defined]  # between two axes, where no line has a corner
    axes.tick_params(axis="x", labelcolor=INK, labelsize=9, pad=2)
    for tick, side_of in zip(axes.get_xticklabels(), np.cos(angles).round(3), strict=True):
        tick.set_horizontalalignment(
            "left" if side_of > 0 else "right" if side_of < 0 else "center"
        )
    axes.tick_params(axis="y", labelcolor=MUTED, labelsize=8)
    axes.grid(color=LINE)
    axes.spines["polar"].set_color(GRAY)
    canvas.legend(
        loc="upper right",
        at=(canvas.width - 0.08, canvas.height - 0.7),
        fontsize=9,
        labelcolor=INK,
        frameon=False,
    )
    heading = "Where each is good"
    canvas.text(0.15, canvas.height - 0.3, heading, fontsize=12, fontweight="bold", color=INK)
    canvas.text(0.15, canvas.height - 0.52, SCORE_NAMES[score], fontsize=9, color=MUTED)
    return canvas.finish(show, save)
