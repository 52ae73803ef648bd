"""The page stands alone, says what it was given and is written as a whole."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from scmamba import ScmambaError
from scmamba.pl import report

SCORES = pd.DataFrame(
    {"accuracy ↑": [0.9, 0.8501], "error ↓": [0.2, 0.1], "cells": [1200, 3], "note": ["<b>", None]},
    index=["scmamba", "kNN & co"],
)


def write(path: Path) -> str:
    report(
        path,
        "A <title>",
        {"A picture": Figure(figsize=(2, 1)), "Scores": SCORES},
        text=["First & last."],
        tiles={"accuracy": "0.900"},
        notes=["Beware."],
    )
    return path.read_text(encoding="utf-8")


def test_page_is_self_contained_and_well_formed(tmp_path: Path) -> None:
    page = write(tmp_path / "r.html")
    assert not re.search(r"https?://|<script|<link|url\(", page)
    assert "data:image/png;base64,iVBOR" in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page

    class Balance(HTMLParser):
        open: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in {"meta", "img"}:
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Balance()
    parser.feed(page)
    assert parser.open == []


def test_words_are_escaped_and_numbers_formatted(tmp_path: Path) -> None:
    page = write(tmp_path / "r.html")
    assert "A &lt;title&gt;" in page
    assert "kNN &amp; co" in page
    assert "<td>&lt;b&gt;</td>" in page
    assert "<td>1,200</td>" in page
    assert "<td>–</td>" in page
    numbers = pd.DataFrame({"f1": [0.5], "cells": [39]})
    report(tmp_path / "n.html", "t", {"n": numbers})
    assert "<td>0.500</td><td>39</td>" in (tmp_path / "n.html").read_text(encoding="utf-8")


def test_best_of_a_column_is_bold_in_the_direction_of_its_arrow(tmp_path: Path) -> None:
    page = write(tmp_path / "r.html")
    assert re.findall(r"<td class=best>(.*?)</td>", page) == ["0.900", "0.100"]


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ScmambaError, match="does not exist; make it"):
        write(tmp_path / "missing" / "r.html")
    with pytest.raises(ScmambaError, match="is a folder"):
        write(tmp_path)
