"""Tutorials run from the first cell to the last, with a model too small to be good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TUTORIALS = sorted((Path(__file__).parents[2] / "tutorials").glob("*.ipynb"))


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_every_cell_runs(path: Path, small: dict[type, Any]) -> None:
    """The ``training`` that a cell defines is replaced by a small one for the cells after it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
            if (kind := type(names.get("training"))) in small:
                names["training"] = small[kind]


def test_there_are_tutorials() -> None:
    assert TUTORIALS
