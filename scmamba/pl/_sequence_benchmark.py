"""A benchmark of sequence classifiers: by task, by category, as a radar, and what it costs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from scmamba._errors import ScmambaError
from scmamba.pl._style import (
    GRAY,
    INK,
    LINE,
    MUTED,
    canvas,
    palette,
    place,
    quiet,
    text_width,
    title,
)

_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "mcc": "MCC"}


def benchmark_by_task(by_task: pd.DataFrame, score: str = "mcc") -> Figure:
    """Draw a score of each method on each task, tasks in order of the best method's score.

    Parameters
    ----------
    by_task
        ``SequenceBenchmark.by_task``: columns ``task``, ``category``, ``method`` and the score.
    score
        ``"mcc"``, ``"accuracy"`` or ``"macro_f1"``.

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
    values, categories = _wide(by_task, score)
    values = values.loc[values.max(axis=1).sort_values().index]
    labels = list(map(str, values.index))
    if categories.nunique() > 1:
        labels = [f"{task}  ({categories[task]})" for task in values.index]
    left = text_width(labels) + 0.35
    high = 0.3 * len(values) + 0.3
    legend = text_width(values.columns) + 0.6
    figure = canvas(left + 4.2 + legend, high + 1.35)
    axes = place(figure, left, 0.55, 4.0, high)
    rows = np.arange(len(values))
    axes.hlines(rows, values.min(axis=1), values.max(axis=1), color=LINE, linewidth=3, zorder=1)
    for color, name in zip(palette(values.shape[1]), values.columns, strict=True):
        axes.scatter(values[name], rows, s=42, color=color, edgecolor="white", label=name, zorder=2)
    axes.set_yticks(rows, labels)
    axes.set_ylim(-0.6, len(values) - 0.4)
    axes.set_xlabel(_NAMES[score])
    quiet(axes, grid=True)
    axes.tick_params(axis="y", labelcolor=INK, length=0)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, labelcolor=INK, frameon=False
    )
    title(axes, "Tasks", f"{_NAMES[score]}, mean over seeds")
    return figure


def benchmark_by_category(by_task: pd.DataFrame, score: str = "mcc") -> Figure:
    """Draw a score of each method, as the mean over the tasks of each category.

    Parameters
    ----------
    by_task, score
        As in :func:`benchmark_by_task`.

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
    values, counts = _by_category(by_task, score)
    n, width = values.shape[1], 0.8 / values.shape[1]
    ticks = [f"{category} ({counts[category]})" for category in values.index]
    wide = max(max(0.42 * n, text_width(ticks) + 0.15) * len(values) + 0.3, 3.0)
    legend = text_width(values.columns) + 0.7
    figure = canvas(0.7 + wide + legend, 3.6)
    axes = place(figure, 0.65, 0.5, wide, 2.3)
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
    axes.set_ylabel(_NAMES[score])
    quiet(axes)
    axes.tick_params(axis="x", labelcolor=INK, length=0)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, labelcolor=INK, frameon=False
    )
    title(axes, "Categories", f"{_NAMES[score]}, mean over their tasks (how many)")
    return figure


def benchmark_radar(by_task: pd.DataFrame, score: str = "mcc") -> Figure:
    """Draw the same as a radar: an axis a category, or a task where there are few categories.

    Parameters
    ----------
    by_task, score
        As in :func:`benchmark_by_task`.

    Returns
    -------
    A figure with a closed line a method; scores below 0 are drawn at 0.

    Raises
    ------
    ScmambaError
        As :func:`benchmark_by_task`, or there are fewer than three categories and tasks.

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
    values, _ = _by_category(by_task, score)
    if len(values) < 3:
        values, _ = _wide(by_task, score)
    if len(values) < 3:
        raise ScmambaError(
            f"a radar needs three axes or more, and there are {len(values)} tasks; draw "
            "benchmark_by_task"
        )
    angles = np.linspace(0, 2 * np.pi, len(values), endpoint=False)
    side, legend = 3.2, text_width(values.columns) + 0.5
    label = text_width(values.index)
    figure = canvas(side + 2 * label + legend + 0.7, side + 1.75)
    across, up = figure.get_size_inches()
    axes = figure.add_axes(
        ((label + 0.3) / across, 0.5 / up, side / across, side / up), projection="polar"
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
    figure.legend(
        loc="upper right",
        bbox_to_anchor=(1 - 0.08 / across, 1 - 0.7 / up),
        fontsize=9,
        labelcolor=INK,
        frameon=False,
    )
    figure.text(
        0.15 / across, 1 - 0.3 / up, "Where each is good", fontsize=12, fontweight="bold", color=INK
    )
    figure.text(0.15 / across, 1 - 0.52 / up, _NAMES[score], fontsize=9, color=MUTED)
    return figure


def benchmark_efficiency(summary: pd.DataFrame, score: str = "mcc") -> Figure:
    """Draw a score against the seconds of a run; the area of a dot stands for parameters.

    Parameters
    ----------
    summary
        ``SequenceBenchmark.summary``: a row a method, with the score (and its interval),
        ``seconds`` and ``n_parameters``.
    score
        As in :func:`benchmark_by_task`.

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
    _check(summary, [score, "seconds", "n_parameters"])
    names = [f"{name}\n{_millions(n)}" for name, n in summary["n_parameters"].items()]
    figure = canvas(5.6 + text_width(map(str, summary.index)), 3.7)
    axes = place(figure, 0.75, 0.6, 4.4, 2.35)
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
    points = axes.transData.transform(dots) * 72 / figure.dpi
    reach = 72 * text_width(map(str, summary.index), fontsize=8) + 12
    lifts = _apart(points, reach, gap=21.0) - points[:, 1]
    for dot, name, size, lift in zip(dots, names, sizes, lifts, strict=True):
        shift = (np.sqrt(size) / 2 + 3, lift)
        axes.annotate(
            name, dot, shift, textcoords="offset points", fontsize=8, color=INK, va="center"
        )
    axes.set_xlabel("seconds to fit and predict a task, mean")
    axes.set_ylabel(_NAMES[score])
    quiet(axes, grid=True)
    title(axes, "What it costs", f"{_NAMES[score]}, mean over tasks and seeds; area: parameters")
    return figure


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


def _wide(by_task: pd.DataFrame, score: str) -> tuple[pd.DataFrame, pd.Series]:
    """Scores (tasks, methods) in the order given, and the category of each task."""
    _check(by_task, ["task", "category", "method", score])
    tasks, methods = by_task["task"].unique(), by_task["method"].unique()
    values = by_task.pivot_table(score, "task", "method").reindex(index=tasks, columns=methods)
    return values, by_task.drop_duplicates("task").set_index("task")["category"]


def _by_category(by_task: pd.DataFrame, score: str) -> tuple[pd.DataFrame, pd.Series]:
    values, categories = _wide(by_task, score)
    means = values.groupby(categories, sort=False).mean()
    return means, categories.value_counts()


def _check(table: pd.DataFrame, columns: list[str]) -> None:
    if lacking := [name for name in columns if name not in table]:
        raise ScmambaError(
            f"the table has no column {lacking[0]!r}; it has {', '.join(map(str, table.columns))}"
        )
    if table.empty:
        raise ScmambaError("the table is empty; run the benchmark on at least one task")


def _millions(n: float) -> str:
    return f"{n / 1e6:.2f} M" if n >= 1e5 else f"{n / 1e3:.0f} k"
