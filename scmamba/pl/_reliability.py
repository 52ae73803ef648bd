"""Whether confidence can be trusted."""

from __future__ import annotations

from os import PathLike

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from scmamba.metrics.calibration import calibration_table, expected_calibration_error
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import BLUE, GRAY, MUTED, ORANGE, quiet, title


def reliability(
    confidence: ArrayLike,
    correct: ArrayLike,
    n_bins: int = 15,
    *,
    ax: Axes | None = None,
    show: bool = False,
    save: str | PathLike[str] | None = None,
) -> Figure:
    """Draw a reliability diagram: accuracy against confidence, and how often each occurs.

    Parameters
    ----------
    confidence : (n_cells,)
        Probability of each cell's best guess, in [0, 1].
    correct : (n_cells,)
        True where the best guess is right.
    n_bins
        Number of equally wide bins, those of the calibration error.
    ax
        Axes to draw in; None: a figure of its own.
    show
        Display the figure at once.
    save
        File to write, in the format of its suffix, such as ``"figure.pdf"``.

    Returns
    -------
    A figure; ``figure.savefig(path)`` writes it. Whiskers are Wilson's 95 % intervals.

    Raises
    ------
    ScmambaError
        If lengths differ, there is no cell, or a confidence is outside [0, 1].

    Examples
    --------
    >>> import scmamba
    >>> figure = scmamba.pl.reliability([0.9, 0.8, 0.6, 0.95], [True, True, False, True])
    >>> figure.axes[0].get_ylabel()
    'accuracy'
    """
    ece = expected_calibration_error(confidence, correct, n_bins)
    table = calibration_table(confidence, correct, n_bins)
    filled = table[table["n_cells"] > 0]
    low, high = _wilson(filled["accuracy"].to_numpy(), filled["n_cells"].to_numpy())

    canvas = Canvas(4.6, 5.4, ax)
    axes = canvas.place(0.7, 1.65, 3.6, 3.1)
    axes.plot([0, 1], [0, 1], color=GRAY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.vlines(filled["confidence"], low, high, color=BLUE, alpha=0.35, linewidth=2)
    axes.plot(filled["confidence"], filled["accuracy"], color=BLUE, linewidth=1.4, alpha=0.7)
    share = filled["n_cells"] / filled["n_cells"].max()
    axes.scatter(
        filled["confidence"],
        filled["accuracy"],
        s=18 + 70 * share,
        color=BLUE,
        zorder=3,
        clip_on=False,
        edgecolors="white",
        linewidths=0.8,
    )
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xticklabels=[], ylabel="accuracy")
    title(axes, "Reliability", f"calibration error {ece:.3f} over {n_bins} bins")
    quiet(axes, grid=True)

    below = canvas.place(0.7, 0.6, 3.6, 0.9)
    width = table["right"] - table["left"]
    below.bar(table["left"], table["n_cells"], width * 0.92, align="edge", color=BLUE, alpha=0.35)
    below.set(xlim=(0, 1.02), xlabel="confidence", ylabel="cells")
    marks = {"mean confidence": (float(np.mean(np.asarray(confidence, dtype=float))), BLUE)}
    marks["accuracy"] = (float(np.mean(np.asarray(correct, dtype=bool))), ORANGE)
    for name, (value, color) in marks.items():
        below.axvline(value, color=color, linewidth=1.4, label=f"{name} {value:.3f}")
    below.legend(
        loc="upper left",
        fontsize=8,
        frameon=False,
        labelcolor=MUTED,
        borderaxespad=0.2,
        handlelength=1,
    )
    quiet(below)
    return canvas.finish(show, save)


def _wilson(share: np.ndarray, n: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval of a share among n: low and high, each in [0, 1]."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half
