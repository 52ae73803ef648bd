"""How a model was learned."""

from __future__ import annotations

from os import PathLike

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import INK, MUTED, ORANGE, palette, quiet, title

_TRAINING, _VALIDATION, _STAGE = "train_", "val_", "stage"
_FAR = 30


def training_curve(
    history: pd.DataFrame,
    metric: str | None = None,
    *,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw the losses, and what else was measured on validation cells, over training.

    Parameters
    ----------
    history
        One row an epoch, indexed by it; where the index starts again (a second stage), rows are
        counted through. Columns that begin with ``val_`` were measured on the validation cells, a
        text column ``stage`` names stages of training, every other numeric column is a part of
        the training loss (``train_`` before its name may be left out). Values may be NaN where
        nothing was measured; a part that equals its total is left out.
    metric
        Column that chose the epoch, lower is better where its name holds "loss", else higher;
        None takes ``val_loss``, else the last ``val_`` column.
    ax
        Axes to draw the panel with ``metric`` in, alone; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure; ``figure.savefig(path)`` writes it. The chosen epoch is the best of ``metric`` in the
    last stage.

    Raises
    ------
    ScmambaError
        If ``history`` holds no numbers, or ``metric`` is not one of its columns.

    Examples
    --------
    >>> import pandas as pd
    >>> import scmamba
    >>> history = pd.DataFrame({"train_loss": [1.0, 0.6], "val_loss": [1.1, 0.8]}, index=[1, 2])
    >>> scmamba.pl.training_curve(history).axes[0].get_xlabel()
    'epoch'
    """
    numbers, stage = _tidy(history)
    measured = [name for name in numbers if name.startswith(_VALIDATION)]
    if metric is None and measured:
        metric = "val_loss" if "val_loss" in measured else measured[-1]
    elif metric is not None and metric not in numbers:
        raise ScmambaError(f"metric={metric!r} is not in history, which has {list(numbers)}")
    best = None if metric is None else _best(numbers[metric], stage)

    stems = {_stem(name) for name in numbers if name not in measured} | {"loss"}
    scores = [name for name in measured if _stem(name) not in stems]
    losses = _distinct(numbers.drop(columns=scores))
    panels = [names for names in (losses, scores) if names]
    if ax is not None:
        panels = [names for names in panels if metric in names][:1] or panels[:1]
    canvas = Canvas(0.4 + 4.5 * len(panels), 3.5, ax)
    for position, names in enumerate(panels):
        axes = canvas.place(0.7 + 4.5 * position, 0.6, 3.8, 2.2)
        _lines(axes, numbers[names])
        _stages(axes, stage)
        if best is not None:
            axes.axvline(best, color=ORANGE, linewidth=1.2, linestyle=(0, (4, 3)))
        heading = "Loss" if names is losses else "On validation cells"
        title(axes, heading, _beneath(numbers, names, metric, best))
    return canvas.finish(show, save)


def _tidy(history: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series | None]:
    """Numbers and names of stages by an index that rises."""
    if not history.index.is_monotonic_increasing or history.index.has_duplicates:
        history = history.set_axis(range(1, len(history) + 1))
    numbers = history.select_dtypes("number").dropna(axis="columns", how="all")
    if numbers.empty:
        raise ScmambaError("history holds no numbers to draw; give one row for each epoch")
    stage = history[_STAGE].astype(str) if _STAGE in history else None
    return numbers.rename(columns=str), stage


def _best(column: pd.Series, stage: pd.Series | None) -> float:
    """Epoch that ``column`` chooses among those of the last stage in which it was measured."""
    column = column.dropna()
    if stage is not None:
        column = column[stage[column.index] == stage[column.index[-1]]]
    return column.idxmin() if "loss" in str(column.name) else column.idxmax()


def _beneath(
    numbers: pd.DataFrame, names: list[str], metric: str | None, best: float | None
) -> str:
    """Describe the epoch that was kept, for the line under a title."""
    shown = [name for name in names if name.startswith(_VALIDATION)]
    if best is None or not shown:
        return "parts, by epoch"
    name = metric if metric in shown else shown[-1]
    return f"{_plain(name)} {numbers.at[best, name]:.3f} at epoch {best:g}, which was kept"


def _stem(name: str) -> str:
    """Name without ``train_`` or ``val_``."""
    return name.removeprefix(_TRAINING).removeprefix(_VALIDATION)


def _distinct(losses: pd.DataFrame) -> list[str]:
    """Names of the losses, totals first, without parts that equal a total."""
    totals = [name for name in losses if _stem(name) == "loss"]
    parts = [name for name in losses if name not in totals]
    return totals + [n for n in parts if not any(losses[n].equals(losses[t]) for t in totals)]


def _plain(name: str) -> str:
    where = "validation" if name.startswith(_VALIDATION) else "training"
    return f"{where} {_stem(name).replace('_', ' ')}"


def _lines(axes: Axes, values: pd.DataFrame) -> None:
    """One color a quantity; solid in training, dashed on validation cells."""
    stems = list(dict.fromkeys(map(_stem, values)))
    colors = dict(zip(stems, palette(len(stems)), strict=True))
    for name, column in values.items():
        column = column.dropna()
        axes.plot(
            column.index,
            column,
            color=colors[_stem(str(name))],
            linestyle=(0, (4, 1.5)) if str(name).startswith(_VALIDATION) else "-",
            label=_plain(str(name)),
            linewidth=1.6,
            marker="o" if len(column) < 30 else None,
            markersize=3,
        )
    first, last = values.index.min(), values.index.max()
    axes.set_xlim(first - 0.03 * (last - first) - 0.1, last + 0.03 * (last - first) + 0.1)
    if _far_apart(values):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
    axes.legend(fontsize=8, labelcolor=INK, handlelength=2, framealpha=0.85, edgecolor="none")
    quiet(axes, grid=True)


def _far_apart(values: pd.DataFrame) -> bool:
    """Whether one quantity would press the others flat: all above 0, medians 30 times apart."""
    medians = values.median()
    return bool((values.min() > 0).all() and medians.max() > _FAR * medians.min())


def _stages(axes: Axes, stage: pd.Series | None) -> None:
    """Mark the beginning of each named stage by a thin line and its name."""
    if stage is None:
        return
    axes.autoscale_view()
    low, high = axes.transData.inverted().transform(axes.transAxes.transform([(0, 0), (0, 1.1)]))
    axes.set_ylim(low[1], high[1])  # room for the names
    for epoch, name in stage[stage != stage.shift()].items():
        if epoch != stage.index[0]:
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
