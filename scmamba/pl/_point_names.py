"""Names beside points, which do not hide each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from scmamba.pl._style import INK, MUTED, text_width

_SMALL = 8  # points
_TALL = 0.13  # inches, of a name

Box = tuple[float, float, float, float]  # left, low, right and high, in inches


def name_points(
    axes: Axes, points: npt.NDArray[np.float64], names: Sequence[str], size: float
) -> None:
    """Write names beside points where they hide neither each other nor a named point.

    Places are tried from near to far; a thin line leads to those that are far. Where none is free,
    a name is written beside its point all the same.

    Parameters
    ----------
    axes
        Square axes with the same limits on both sides.
    points
        (n, 2) coordinates.
    names
        (n,) names; the first get the nearest places.
    size
        Side of the axes in inches.
    """
    low, high = axes.get_xlim()
    inches = (points - low) / (high - low) * size
    dots: list[Box] = [(x - 0.04, y - 0.04, x + 0.04, y + 0.04) for x, y in inches.tolist()]
    written: list[Box] = []
    lines: list[Box] = []
    for (x, y), name in zip(inches.tolist(), names, strict=True):
        places = _places(x, y, text_width([name], _SMALL))
        free = [
            box
            for box in places
            if min(box[:2]) > 0.02 and max(box[2:]) < size and not _meets(box, dots + written)
        ]
        clear = (
            box
            for box in free
            if not _meets(box, lines)
            and not any(_meets(part, written) for part in _line(x, y, box))
        )
        box = next(clear, (free or places)[0])
        line = _line(x, y, box)
        written.append(box)
        lines += line
        if line:
            ends = np.array([(x, y), line[-1][:2]]) / size
            axes.plot(
                ends[:, 0],
                ends[:, 1],
                transform=axes.transAxes,
                color=MUTED,
                linewidth=0.5,
                zorder=2,
            )
        axes.annotate(
            name,
            (box[0] / size, (box[1] + box[3]) / 2 / size),
            xycoords="axes fraction",
            va="center",
            fontsize=_SMALL,
            color=INK,
            zorder=4,
        )


def _places(x: float, y: float, wide: float) -> list[Box]:
    """Boxes for a name around a point, from near to far."""
    lefts = [
        (x + right, y + up - _TALL / 2)
        for far in (0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3)
        for up in dict.fromkeys((0.0, far / 2, -far / 2, far, -far))
        for right in (0.07 + far / 2, -0.07 - far / 2 - wide)
    ]
    return [(left, low, left + wide, low + _TALL) for left, low in lefts]


def _line(x: float, y: float, box: Box) -> list[Box]:
    """Points of the line from a point to its name; none where the name is beside it."""
    beside, middle = box[0] if box[0] > x else box[2], (box[1] + box[3]) / 2
    if abs(middle - y) <= 0.1 and abs(beside - x) <= 0.2:
        return []
    steps = [i / 12 for i in range(1, 13)]
    parts = [(x + (beside - x) * step, y + (middle - y) * step) for step in steps]
    return [(a, b, a, b) for a, b in parts]


def _meets(one: Box, others: Sequence[Box]) -> bool:
    """Whether a box overlaps one of the others."""
    return any(
        one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
        for other in others
    )
