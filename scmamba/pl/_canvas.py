"""Where a picture is drawn: a figure of its own, or axes of another figure."""

from __future__ import annotations

import io
from os import PathLike
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend
from matplotlib.text import Text

from scmamba._errors import ScmambaError
from scmamba._files import atomic

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
            _draw_text_as_it_is(axes)
        for text in self.findobj(Text):
            text.set_parse_math(text.get_text().startswith(_TICKS))


class Canvas:
    """An empty white figure that is unknown to pyplot, or a place in the axes of another figure.

    In axes that are given, what a picture shows beside its main axes, such as a color bar, keeps
    its distance and size in inches; what spans the main axes is as wide as they are.

    Parameters
    ----------
    width, height
        Inches of the picture as a figure of its own.
    ax
        Axes that become the main axes of the picture; None: a new figure.

    Raises
    ------
    ScmambaError
        ``ax`` is something else.
    """

    def __init__(self, width: float, height: float, ax: Axes | None = None) -> None:
        if ax is not None and not isinstance(ax, Axes):
            raise ScmambaError(
                f"ax is a {type(ax).__name__}; give one matplotlib Axes, such as "
                "matplotlib.pyplot.subplots()[1]"
            )
        self.width, self.height, self._given = width, height, ax
        self.figure: Figure | SubFigure
        if ax is None:
            self.figure = Picture(figsize=(width, height), dpi=100, facecolor="white")
        else:
            self.figure = ax.figure
        self.axes: list[Axes] = []

    def place(
        self, left: float, bottom: float, width: float, height: float, **options: Any
    ) -> Axes:
        """Axes at a place given in inches, so that text never has to guess how large it is.

        The first ones are the main axes.
        """
        if self._given is None:
            box = left / self.width, bottom / self.height, width / self.width, height / self.height
            axes = self.figure.add_axes(box, **options)
        elif not self.axes:
            axes, self._main = self._given, (left, bottom, width, height)
        else:
            x, y = self._fraction(left, bottom)
            right, top = self._fraction(left + width, bottom + height)
            axes = self._given.inset_axes((x, y, right - x, top - y))
        self.axes.append(axes)
        return axes

    def legend(self, *parts: Any, at: tuple[float, float], **options: Any) -> Legend:
        """Legend of the whole picture, anchored at a place in inches; otherwise matplotlib's."""
        home = self.figure if self._given is None else self._given
        return home.legend(*parts, bbox_to_anchor=self._fraction(*at), **options)

    def text(self, left: float, bottom: float, text: str, **options: Any) -> Text:
        """Write at a place in inches."""
        x, y = self._fraction(left, bottom)
        if self._given is None:
            return self.figure.text(x, y, text, **options)
        return self._given.text(x, y, text, transform=self._given.transAxes, **options)

    def finish(self, show: bool = False, save: str | PathLike[str] | None = None) -> Figure:
        """Write the picture, display it if asked, and return its figure.

        Parameters
        ----------
        show
            Display it in the notebook, or in a window of pyplot's.
        save
            File to write, in the format of its suffix.

        Raises
        ------
        ScmambaError
            matplotlib does not know the format, or the file cannot be written.
        """
        figure = self.figure.figure if isinstance(self.figure, SubFigure) else self.figure
        assert isinstance(figure, Figure)
        if self._given is not None:
            for axes in self.axes:
                _draw_text_as_it_is(axes)
        if save is not None:
            try:
                with atomic(Path(save)) as temporary:
                    figure.savefig(temporary, bbox_inches="tight", dpi=160)
            except (ValueError, OSError) as error:
                raise ScmambaError(f"save={str(save)!r} cannot be written: {error}") from error
        if show:
            _display(figure)
        return figure

    def _fraction(self, x: float, y: float) -> tuple[float, float]:
        """Fractions of the figure, or of the given axes, of a place in inches of the picture."""
        if self._given is None:
            return x / self.width, y / self.height
        left, bottom, width, height = self._main
        box = self._given.get_window_extent()
        dpi = self.figure.dpi
        return (
            _along(x - left, width, box.width / dpi),
            _along(y - bottom, height, box.height / dpi),
        )


def _along(offset: float, planned: float, size: float) -> float:
    """Fraction of axes ``size`` inches long at an offset from their edge as ``planned``."""
    if offset < 0:
        return offset / size
    return offset / planned if offset <= planned else 1 + (offset - planned) / size


def _draw_text_as_it_is(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_ticklabels()  # writes them, as drawing would
    for text in axes.findobj(Text):
        text.set_parse_math(text.get_text().startswith(_TICKS))


def _display(figure: Figure) -> None:
    """Show a figure in the notebook that runs, else in a window, as pyplot's figures are."""
    try:
        from IPython import get_ipython
    except ImportError:
        get_ipython = None
    if get_ipython is not None and getattr(get_ipython(), "kernel", None) is not None:
        from IPython.display import display

        display(figure)
        return
    from matplotlib import pyplot

    if getattr(figure, "number", None) not in pyplot.get_fignums():
        window = pyplot.figure(figsize=tuple(figure.get_size_inches()))
        window.canvas.figure = figure
        figure.set_canvas(window.canvas)
    pyplot.show()
