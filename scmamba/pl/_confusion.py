"""Which label is taken for which."""

from __future__ import annotations

from os import PathLike

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import GRAY, INK, MUTED, text_width, title


def confusion(
    counts: pd.DataFrame,
    *,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw a confusion matrix: colors are shares of each true label, numbers are cells.

    Parameters
    ----------
    counts
        Cells of a true label (rows) that were given a label (columns), such as
        ``AnnotationScores.confusion``; labels of rows stand first among the columns.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure; ``figure.savefig(path)`` writes it.

    Raises
    ------
    ScmambaError
        If ``counts`` is empty.

    Examples
    --------
    >>> import scmamba
    >>> truth, guess = ["B", "B", "T", "T"], ["B", "T", "T", "T"]
    >>> scores = scmamba.metrics.annotation(truth, guess)
    >>> scmamba.pl.confusion(scores.confusion).axes[0].get_ylabel()
    'truth (cells)'
    """
    if counts.size == 0:
        raise ScmambaError(f"counts has shape {counts.shape}; give at least one row and one column")
    numbers = counts.to_numpy()
    shares = numbers / np.maximum(numbers.sum(axis=1, keepdims=True), 1)
    rows = [f"{label}  ({n:,})" for label, n in zip(counts.index, numbers.sum(axis=1), strict=True)]
    columns = [str(label) for label in counts.columns]

    cell = 0.46 if len(counts) <= 16 else 0.3
    left, foot, head = text_width(rows) + 0.6, text_width(columns) * 0.65 + 0.55, 0.7
    wide, high = cell * len(columns), cell * len(rows)
    canvas = Canvas(left + max(wide, 3.2) + 0.9, foot + high + head, ax)
    axes = canvas.place(left, foot, wide, high)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), n in np.ndenumerate(numbers):
        if n:
            color = "white" if shares[row, column] > 0.55 else INK
            size = 9 if cell > 0.4 and n < 10_000 else 6
            axes.text(column, row, f"{n}", ha="center", va="center", fontsize=size, color=color)
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(np.arange(-0.5, len(columns)), minor=True)
    axes.set_yticks(np.arange(-0.5, len(rows)), minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0, labelsize=9, labelcolor=INK)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("truth (cells)", color=MUTED, fontsize=9)
    axes.set_xlabel("best guess", color=MUTED, fontsize=9)
    right = sum(counts.at[label, label] for label in counts.index if label in counts.columns)
    title(
        axes,
        "Confusion",
        f"{right:,} of {numbers.sum():,} cells right ({right / numbers.sum():.1%})",
    )

    bar = canvas.place(left + wide + 0.2, foot, 0.1, high)
    canvas.figure.colorbar(image, cax=bar)
    bar.tick_params(labelsize=8, colors=MUTED, length=2, color=GRAY)
    bar.set_ylabel("fraction of the true label", fontsize=8, color=MUTED)
    bar.spines[:].set_visible(False)
    return canvas.finish(show, save)
