"""Letters whose heights say something, in lines of positions one under the other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scmamba._errors import ScmambaError
from scmamba.pl._canvas import Canvas
from scmamba.pl._style import BLUE, GRAY, LINE, MUTED, ORANGE, quiet

NUCLEOTIDES = {"A": "#2f9e63", "C": BLUE, "G": ORANGE, "T": "#b8322a", "U": "#b8322a", "N": GRAY}
PER_LINE = 80
_CELL, _GAP, _LEFT, _RIGHT, _HEAD, _FOOT = 0.15, 0.5, 0.95, 1.15, 0.6, 0.5


def lines(positions: np.ndarray, height: float) -> tuple[Canvas, Iterator[tuple[Axes, np.ndarray]]]:
    """Return a canvas, and the axes and positions of each of its lines, from the top.

    Parameters
    ----------
    positions
        Rising integers.
    height
        Of a line, in inches.
    """
    parts = np.split(positions, range(PER_LINE, len(positions), PER_LINE))
    widest = max(len(parts[0]) * _CELL, 3.0)
    total = len(parts) * (height + _GAP) - _GAP
    canvas = Canvas(_LEFT + widest + _RIGHT, _HEAD + total + _FOOT)
    scale = widest / len(parts[0])

    def panels() -> Iterator[tuple[Axes, np.ndarray]]:
        for i, part in enumerate(parts):
            bottom = _FOOT + total - height - i * (height + _GAP)
            yield canvas.place(_LEFT, bottom, len(part) * scale, height), part

    return canvas, panels()


def position_axis(axes: Axes, positions: np.ndarray) -> None:
    """Ticks at round positions."""
    axes.set_xlim(positions[0] - 0.5, positions[-1] + 0.5)
    step = 10 if len(positions) > 15 else 5
    ticks = [p for p in positions if p % step == 0] or [positions[0]]
    axes.set_xticks(ticks, [f"{p:,}" for p in ticks])


def logo(heights: pd.DataFrame, label: str) -> Canvas:
    """Stack letters at their heights.

    Parameters
    ----------
    heights
        (n_positions, n_letters); the index are positions, columns letters. Letters below zero
        hang from the line.
    label
        What the heights are.

    Raises
    ------
    ScmambaError
        logomaker is not installed.
    """
    try:
        import logomaker
    except ImportError as error:
        raise ScmambaError("logos need logomaker: pip install 'scmamba[sequence]'") from error

    canvas, panels = lines(heights.index.to_numpy(), 1.1)
    top = heights.clip(lower=0).sum(axis=1).max()
    low = heights.clip(upper=0).sum(axis=1).min()
    for axes, part in panels:
        drawn = heights.loc[part]
        logomaker.Logo(
            drawn,
            ax=axes,
            color_scheme={letter: NUCLEOTIDES[letter] for letter in drawn},
            flip_below=False,
            show_spines=True,
        )
        quiet(axes)
        axes.set_ylim(low * 1.05, max(top * 1.05, 1e-9))
        axes.set_ylabel(label)
        axes.axhline(0, color=LINE, linewidth=0.8, zorder=0)
        position_axis(axes, part)
        axes.xaxis.label.set_color(MUTED)
    return canvas
