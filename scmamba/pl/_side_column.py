"""Numbers at the right of rows."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axes import Axes

from scmamba.pl._style import MUTED


def side_column(axes: Axes, heading: str, texts: Iterable[str]) -> None:
    """Write one text at the right of each row 0, 1, ... of ``axes``, under a heading."""
    rows = [((1.0, float(i)), 0, text) for i, text in enumerate(texts)]
    for place, up, text in [*rows, ((1.0, 1.0), 8, heading)]:
        axes.annotate(
            text,
            place,
            (8, up),
            xycoords="axes fraction" if up else axes.get_yaxis_transform(),
            textcoords="offset points",
            va="baseline" if up else "center",
            fontsize=8,
            color=MUTED,
        )
