"""What all pictures share: colors, type, and figures that leave pyplot's state alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.textpath import TextPath

INK = "#1f2933"
MUTED = "#66727f"
LINE = "#dfe4ea"
GRAY = "#c7cdd4"
BLUE = "#2b6cb0"
ORANGE = "#d9772b"


def title(axes: Axes, text: str, beneath: str = "") -> None:
    """Write a bold title with a gray line under it, on the left edge of ``axes``."""
    axes.annotate(
        text,
        (0, 1),
        (0, 22 if beneath else 8),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=12,
        fontweight="bold",
        color=INK,
    )
    axes.annotate(
        beneath,
        (0, 1),
        (0, 8),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=9,
        color=MUTED,
    )


def quiet(axes: Axes, *, grid: bool = False) -> None:
    """Light frame, small gray ticks and, if asked, a grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRAY)
    axes.tick_params(colors=MUTED, labelsize=9, length=3, color=GRAY)
    axes.xaxis.label.set(color=MUTED, fontsize=9)
    axes.yaxis.label.set(color=MUTED, fontsize=9)
    if grid:
        axes.grid(color=LINE, linewidth=0.8)
        axes.set_axisbelow(True)


def palette(n_colors: int) -> Sequence[str]:
    """Scanpy's default colors for ``n_colors`` categories, used again after 102."""
    from scanpy.plotting.palettes import default_20, default_28, default_102

    for colors in (default_20, default_28, default_102):
        if n_colors <= len(colors):
            return colors[:n_colors]
    return [default_102[i % len(default_102)] for i in range(n_colors)]


def text_width(texts: Iterable[str], fontsize: float = 9) -> float:
    """Width in inches of the longest of ``texts``."""
    return max((_width(text, fontsize) for text in texts), default=0.0)


def is_gray(color: Any) -> bool:
    """Whether a color could be taken for the gray of unknown cells."""
    red, green, blue = to_rgb(color)
    return max(red, green, blue) - min(red, green, blue) < 0.12 and red > 0.45


def _width(text: str, fontsize: float) -> float:
    text = text.replace("$", r"\$")  # no formula
    return float(TextPath((0, 0), text, size=fontsize).get_extents().x1) / 72 if text else 0.0
