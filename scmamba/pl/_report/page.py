"""One HTML page that holds everything: it can be mailed, opened offline and printed."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scmamba._files import atomic
from scmamba._version import __version__

_DPI = 160
_WIDE = 6.0
"""Inches above which a figure is scrolled on a phone, not shrunk."""
_LONG = 30
"""Characters above which texts of a table take several lines."""


Part: TypeAlias = Figure | pd.DataFrame | str


@dataclass(frozen=True)
class Section:
    """One thing that a report says.

    Attributes
    ----------
    parts
        Figures under their captions and tables under their headings, in order; narrow figures
        stand side by side. Text stands under its heading. In a column of numbers whose name ends
        in an up or down arrow the best value is set bold; the index of a table is its first
        column.
    tiles
        Names and values of the few figures to show large, at the top of the page.
    scores
        Scores that commands print, or None.
    """

    parts: Mapping[str, Part] = field(default_factory=dict)
    tiles: Mapping[str, str] = field(default_factory=dict)
    scores: Any = None


@dataclass(frozen=True, repr=False)
class Report:
    """A page with pictures, tables and words, as :func:`scmamba.pl.report` makes it.

    Attributes
    ----------
    title
        Headline.
    text
        Paragraphs under the headline.
    sections
        What it says, in order.
    notes
        Paragraphs at the end.

    Examples
    --------
    >>> import scmamba
    >>> page = scmamba.pl.Report("Blood", text=["60 cells of one donor."])
    >>> "<h1>Blood</h1>" in page.html
    True
    """

    title: str
    text: Sequence[str] = ()
    sections: Sequence[Section] = ()
    notes: Sequence[str] = ()

    @property
    def scores(self) -> Any:
        """Scores that a section computed, such as those of scib-metrics; None without."""
        return next((one.scores for one in self.sections if one.scores is not None), None)

    def with_first(self, *sections: Section) -> Report:
        """Return the page with further sections at its top."""
        return replace(self, sections=[*sections, *self.sections])

    @cached_property
    def html(self) -> str:
        """The page: one file that needs no other."""
        style = files("scmamba.pl").joinpath("report.css").read_text(encoding="utf-8")
        tiles = {name: value for one in self.sections for name, value in one.tiles.items()}
        parts = [pair for one in self.sections for pair in one.parts.items()]
        body = [
            "<header>",
            f"<h1>{escape(self.title)}</h1>",
            *_paragraphs(self.text),
            "</header>",
            *_tiles(tiles),
            '<div class="grid">',
            *(_part(name, part) for name, part in parts),
            "</div>",
            *_notes(self.notes),
            f"<footer>Made with scmamba {__version__}.</footer>",
        ]
        content = "\n".join(body)
        return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(self.title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
{content}
</main>
</body>
</html>
"""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, a file that is replaced as a whole.

        Raises
        ------
        ScmambaError
            If ``path`` cannot be written.
        """
        with atomic(path) as temporary:
            temporary.write_text(self.html, encoding="utf-8")
        return Path(path)

    def __repr__(self) -> str:
        """Say what the page holds."""
        names = [name for one in self.sections for name in one.parts]
        return "\n".join([f"Report: {self.title}", *(f"  {name}" for name in names)])

    def _repr_html_(self) -> str:
        return (
            f'<iframe title="{escape(self.title)}" srcdoc="{escape(self.html)}" '
            'style="width:100%;height:700px;border:0"></iframe>'
        )


def _notes(notes: Sequence[str]) -> list[str]:
    if not notes:
        return []
    return ["<section><h2>Notes</h2>", *_paragraphs(notes), "</section>"]


def _paragraphs(texts: Sequence[str]) -> list[str]:
    return [f"<p>{escape(text)}</p>" for text in texts]


def _tiles(tiles: Mapping[str, str]) -> list[str]:
    if not tiles:
        return []
    boxes = (
        f'<section class="tile"><strong>{escape(value)}</strong>'
        f"<span>{escape(name)}</span></section>"
        for name, value in tiles.items()
    )
    return ['<div class="tiles">', *boxes, "</div>"]


def _part(name: str, part: Part) -> str:
    if isinstance(part, str):
        lines = "".join(f"<p>{escape(line)}</p>" for line in part.splitlines())
        return f"<section><h2>{escape(name)}</h2>{lines}</section>"
    if isinstance(part, Figure):
        width = part.get_size_inches()[0]
        flex = f"flex: {width:.1f} 1 {width * 56:.0f}px"
        wide = ' class="wide"' if width > _WIDE else ""
        return f'<section{wide} style="{flex}">{_figure(name, part)}</section>'
    return f"<section>{_table(name, part)}</section>"


def _figure(caption: str, figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    width, height = figure.get_size_inches()
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<figure><div class="scroll"><img alt="{escape(caption)}" '
        f'width="{width * 96:.0f}" height="{height * 96:.0f}" '
        f'src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _table(heading: str, table: pd.DataFrame) -> str:
    kinds = [_kind(table.iloc[:, at]) for at in range(table.shape[1])]
    named = list(zip(["", *kinds], ["", *map(_heading, table.columns)], strict=True))
    head = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in named)
    head = f"<thead><tr>{head}</tr></thead>" if any(name for _, name in named) else ""
    best = {name: _best(str(name), table[name]) for name in table.columns}
    rows = []
    for position, values in enumerate(table.itertuples()):
        cells = "".join(
            f"<td{' class=best' if position in best[name] else kind}>{escape(_text(value))}</td>"
            for name, kind, value in zip(table.columns, kinds, values[1:], strict=True)
        )
        rows.append(f"<tr><th>{escape(str(values[0]))}</th>{cells}</tr>")
    return (
        f'<h2>{escape(heading)}</h2><div class="scroll"><table>'
        f"{head}<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _heading(name: object) -> str:
    """Name of a column in words."""
    return str(name).replace("n_cells", "cells").replace("_", " ")


def _kind(column: pd.Series) -> str:
    """Class of the cells of a column: words stand at the left, and long ones take several lines."""
    texts = [value for value in column.dropna() if isinstance(value, str)]
    if not texts or len(texts) < column.notna().sum():
        return ""
    return ' class="words long"' if max(map(len, texts)) > _LONG else " class=words"


def _best(name: str, column: pd.Series) -> set[int]:
    """Positions of the best numbers of a column whose name says which way is better."""
    numbers = pd.to_numeric(column, errors="coerce").round(3)
    if name.endswith("↑"):
        return set(np.flatnonzero(numbers == numbers.max()))
    if name.endswith("↓"):
        return set(np.flatnonzero(numbers == numbers.min()))
    return set()


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return f"{value:.3f}"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    return str(value)
