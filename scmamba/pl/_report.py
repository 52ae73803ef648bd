"""One HTML page that holds everything: it can be mailed, opened offline and printed."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scmamba._files import atomic
from scmamba._version import __version__

_DPI = 160


def report(
    path: str | os.PathLike[str],
    title: str,
    parts: Mapping[str, Figure | pd.DataFrame],
    *,
    text: Sequence[str] = (),
    tiles: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write pictures, tables and words into one self-contained HTML page.

    Parameters
    ----------
    path
        File to write, replaced as a whole.
    title
        Headline of the page.
    parts
        Figures under their captions and tables under their headings, in order; narrow ones stand
        side by side. In a column of numbers whose name ends in an up or down arrow the best value
        is set bold; the index of a table is its first column.
    text
        Paragraphs under the headline.
    tiles
        Names and values of the few figures to show large.
    notes
        Paragraphs at the end: how it was made, what to beware of.

    Returns
    -------
    ``path``.

    Raises
    ------
    ScmambaError
        If ``path`` cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import scmamba
    >>> table = pd.DataFrame({"cells": [60, 40]}, index=["B cell", "T cell"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = scmamba.pl.report(f"{folder}/report.html", "Blood", {"Labels": table})
    ...     "T cell" in path.read_text()
    True
    """
    style = files("scmamba.pl").joinpath("report.css").read_text(encoding="utf-8")
    body = [
        "<header>",
        f"<h1>{escape(title)}</h1>",
        *_paragraphs(text),
        "</header>",
        *_tiles(tiles or {}),
        '<div class="grid">',
        *(_part(name, part) for name, part in parts.items()),
        "</div>",
        *(["<section><h2>Notes</h2>", *_paragraphs(notes), "</section>"] if notes else []),
        f"<footer>Made with scmamba {__version__}.</footer>",
    ]
    content = "\n".join(body)
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
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
    with atomic(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(path)


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


def _part(name: str, part: Figure | pd.DataFrame) -> str:
    if isinstance(part, Figure):
        width = part.get_size_inches()[0]
        flex = f"flex: {width:.1f} 1 {width * 56:.0f}px"
        return f'<section style="{flex}">{_figure(name, part)}</section>'
    return f"<section>{_table(name, part)}</section>"


def _figure(caption: str, figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    width, height = figure.get_size_inches()
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<figure><img alt="{escape(caption)}" width="{width * 96:.0f}" height="{height * 96:.0f}" '
        f'src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _table(heading: str, table: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(name))}</th>" for name in ["", *table.columns])
    best = {name: _best(str(name), table[name]) for name in table.columns}
    rows = []
    for position, values in enumerate(table.itertuples()):
        cells = "".join(
            f"<td{' class=best' if position in best[name] else ''}>{escape(_text(value))}</td>"
            for name, value in zip(table.columns, values[1:], strict=True)
        )
        rows.append(f"<tr><th>{escape(str(values[0]))}</th>{cells}</tr>")
    return (
        f'<h2>{escape(heading)}</h2><div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


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
    if isinstance(value, (float, np.floating)):
        return f"{value:.3f}"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    return str(value)
