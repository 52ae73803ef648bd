"""What all pictures share: colors, type, and figures that leave pyplot's state alone."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.textpath import TextPath

INK = "#1f2933"
MUTED = "#66727f"
LINE = "#dfe4ea"
GRAY = "#c7cdd4"
BLUE = "#2b6cb0"
ORANGE = "#d9772b"


_TICKS = "$\\mathdefault"  # how matplotlib begins the numbers of its own that are formulas


class Picture(Figure):
    """A figure that a notebook shows, although pyplot does not know it.

    Text is drawn as it is: names that come from data may hold ``$`` without being formulas.
    """

    def _repr_png_(self) -> bytes:
        """Return the picture as a notebook shows it."""
        file = io.BytesIO()
        self.savefig(file, format="png", bbox_inches="tight")
        return file.getvalue()

    def draw(self, renderer: Any) -> None:
        """Draw the figure with a matplotlib renderer."""
        self._draw_text_as_it_is()
        super().draw(renderer)

    def get_tightbbox(self, *arguments: Any, **options: Any) -> Any:
        """Return the box around all that is drawn."""
        self._draw_text_as_it_is()
        return super().get_tightbbox(*arguments, **options)

    def _draw_text_as_it_is(self) -> None:
        for axes in self.axes:
            for axis in (axes.xaxis, axes.yaxis):
                axis.get_ticklabels()  # writes them, as drawing would
        for text in self.findobj(Text):
            text.set_parse_math(text.get_text().startswith(_TICKS))


def canvas(width: float, height: float) -> Figure:
    """Return an empty white figure, sizes in inches, that is unknown to pyplot."""
    return Picture(figsize=(width, height), dpi=100, facecolor="white")


def place(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches, so that text never has to guess how large it is."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


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
