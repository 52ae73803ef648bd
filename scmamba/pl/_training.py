"""How a model was learned."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scmamba._errors import ScmambaError
from scmamba.pl._style import INK, MUTED, ORANGE, canvas, palette, place, quiet, title

_VALIDATION = "val_"


def training_curve(
    history: pd.DataFrame, metric: str | None = None, best_epoch: float | None = None
) -> Figure:
    """Draw the parts of the loss and the validation metric over training.

    Parameters
    ----------
    history
        One row an epoch (the index). Columns that begin with ``val_`` were measured on the
        validation cells, a text column ``stage`` names stages of training, every other numeric
        column is a part of the training loss. Values may be NaN where nothing was measured.
    metric
        Validation column that chose the best epoch; None takes the last ``val_`` column.
    best_epoch
        Index of the epoch that was kept; None takes the best of ``metric``: the lowest where its
        name holds "loss", else the highest.

    Returns
    -------
    A figure; ``figure.savefig(path)`` writes it.

    Raises
    ------
    ScmambaError
        If ``history`` holds no numbers, or ``metric`` is not one of its columns.
    """
    numbers = history.select_dtypes("number").dropna(axis="columns", how="all")
    if numbers.empty:
        raise ScmambaError("history holds no numbers to draw; give one row for each epoch")
    measured = [name for name in numbers if str(name).startswith(_VALIDATION)]
    parts = [name for name in numbers if name not in measured]
    if metric is None:
        metric = measured[-1] if measured else None
    elif metric not in numbers:
        raise ScmambaError(f"metric={metric!r} is not in history, which has {list(numbers)}")

    both = bool(parts) and metric is not None
    figure = canvas(9.2 if both else 4.9, 3.5)
    if parts:
        axes = place(figure, 0.7, 0.6, 3.8, 2.2)
        _lines(axes, numbers[parts])
        title(axes, "Training loss", "its parts by epoch")
        _span(axes, history)
    if metric is not None:
        axes = place(figure, 5.2 if both else 0.7, 0.6, 3.8, 2.2)
        column = numbers[metric].dropna()
        if best_epoch is None:
            best_epoch = column.idxmin() if "loss" in metric else column.idxmax()
        _lines(axes, column.to_frame(_plain(metric)))
        axes.axvline(best_epoch, color=ORANGE, linewidth=1.2, linestyle=(0, (4, 3)))
        kept = f"epoch {best_epoch:g} was kept"
        if best_epoch in column.index:
            axes.plot([best_epoch], [column[best_epoch]], "o", color=ORANGE, markersize=7, zorder=4)
            kept = f"{column[best_epoch]:.3f} at epoch {best_epoch:g}, which was kept"
        title(axes, "Validation", f"{_plain(metric)}: {kept}")
        _span(axes, history)
    return figure


def _plain(name: str) -> str:
    return str(name).removeprefix(_VALIDATION).replace("_", " ")


def _lines(axes: Axes, values: pd.DataFrame) -> None:
    marker = "o" if len(values) < 30 else None
    for (name, column), color in zip(values.items(), palette(values.shape[1]), strict=True):
        column = column.dropna()
        axes.plot(
            column.index,
            column,
            color=color,
            label=_plain(str(name)),
            linewidth=1.6,
            marker=marker,
            markersize=3,
        )
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if values.shape[1] > 1:
        axes.legend(fontsize=8, labelcolor=INK, handlelength=1.2, framealpha=0.85, edgecolor="none")
    quiet(axes, grid=True)


def _span(axes: Axes, history: pd.DataFrame) -> None:
    """All of training on the x axis, with a line and a name where each named stage begins."""
    first, last = history.index.min(), history.index.max()
    axes.set_xlim(first - 0.03 * (last - first) - 0.1, last + 0.03 * (last - first) + 0.1)
    if "stage" not in history:
        return
    stage = history["stage"].astype(str)
    for epoch, name in stage[stage != stage.shift()].items():
        if epoch != first:
            axes.axvline(epoch, color=MUTED, linewidth=0.8, alpha=0.5)
        axes.annotate(
            name,
            (epoch, 1),
            (3, -9),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color=MUTED,
            fontsize=8,
        )
