"""A benchmark of sequence classifiers: scores by task and by category."""

from __future__ import annotations

from os import PathLike

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scmamba.pl._canvas import Canvas
from scmamba.pl._sequence_scores import (
    SCORE_NAMES,
    scores_by_category,
    scores_by_task,
)
from scmamba.pl._style import (
    INK,
    LINE,
    MUTED,
    palette,
    quiet,
    text_width,
    title,
)


def benchmark_by_task(
    by_task: pd.DataFrame,
    score: str = "mcc",
    *,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw a score of each method on each task, tasks in order of the best method's score.

    Parameters
    ----------
    by_task
        ``SequenceBenchmark.by_task``: columns ``task``, ``category``, ``method`` and the score.
    score
        ``"mcc"``, ``"accuracy"`` or ``"macro_f1"``.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure with a dot a method in a line a task; ``figure.savefig(path)`` writes it.

    Raises
    ------
    ScmambaError
        A column is missing, or the table is empty.

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
    >>> figure = scmamba.pl.benchmark_by_task(by_task)
    >>> figure.axes[0].get_xlabel()
    'MCC'
    """
    values, categories = scores_by_task(by_task, score)
    values = values.loc[values.max(axis=1).sort_values().index]
    labels = list(map(str, values.index))
    if categories.nunique() > 1:
        labels = [f"{task}  ({categories[task]})" for task in values.index]
    left = text_width(labels) + 0.35
    high = 0.3 * len(values) + 0.3
    legend = text_width(values.columns) + 0.6
    canvas = Canvas(left + 4.2 + legend, high + 1.35, ax)
    axes = canvas.place(left, 0.55, 4.0, high)
    rows = np.arange(len(values))
    axes.hlines(rows, values.min(axis=1), values.max(axis=1), color=LINE, linewidth=3, zorder=1)
    for color, name in zip(palette(values.shape[1]), values.columns, strict=True):
        axes.scatter(values[name], rows, s=42, color=color, edgecolor="white", label=name, zorder=2)
    axes.set_yticks(rows, labels)
    axes.set_ylim(-0.6, len(values) - 0.4)
    axes.set_xlabel(SCORE_NAMES[score])
    quiet(axes, grid=True)
    axes.tick_params(axis="y", labelcolor=INK, length=0)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, labelcolor=INK, frameon=False
    )
    title(axes, "Tasks", f"{SCORE_NAMES[score]}, mean over seeds")
    return canvas.finish(show, save)


def benchmark_by_category(
    by_task: pd.DataFrame,
    score: str = "mcc",
    *,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw a score of each method, as the mean over the tasks of each category.

    Parameters
    ----------
    by_task, score
        As in :func:`benchmark_by_task`.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure with a group of bars a category, each with its number.

    Raises
    ------
    ScmambaError
        As :func:`benchmark_by_task`.

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
    >>> figure = scmamba.pl.benchmark_by_category(by_task)
    >>> figure.axes[0].get_ylabel()
    'MCC'
    """
    values, counts = scores_by_category(by_task, score)
    n, width = values.shape[1], 0.8 / values.shape[1]
    ticks = [f"{category} ({counts[category]})" for category in values.index]
    wide = max(max(0.42 * n, text_width(ticks) + 0.15) * len(values) + 0.3, 3.0)
    legend = text_width(values.columns) + 0.7
    canvas = Canvas(0.7 + wide + legend, 3.6, ax)
    axes = canvas.place(0.65, 0.5, wide, 2.3)
    for i, (color, name) in enumerate(zip(palette(n), values.columns, strict=True)):
        where = np.arange(len(values)) + (i - (n - 1) / 2) * width
        axes.bar(where, values[name], width * 0.92, color=color, label=name)
        for x, value in zip(where, values[name], strict=True):
            if np.isfinite(value):
                axes.annotate(
                    f"{value:.2f}",
                    (x, max(value, 0)),
                    (0, 2),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7,
                    color=MUTED,
                )
    low = min(float(np.nanmin(values.to_numpy())), 0.0)
    axes.set_ylim(low, max(float(np.nanmax(values.to_numpy())) * 1.12, 0.1))
    axes.set_xticks(np.arange(len(values)), ticks)
    axes.set_ylabel(SCORE_NAMES[score])
    quiet(axes)
    axes.tick_params(axis="x", labelcolor=INK, length=0)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, labelcolor=INK, frameon=False
    )
    title(axes, "Categories", f"{SCORE_NAMES[score]}, mean over their tasks (how many)")
    return canvas.finish(show, save)
