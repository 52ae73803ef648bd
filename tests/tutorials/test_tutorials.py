"""Tutorials run from the first cell to the last, offline, and are kept without outputs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from scmamba.models.shipped import find_shipped

FOLDER = Path(__file__).parents[2] / "tutorials"
TUTORIALS = sorted(FOLDER.glob("*.ipynb"))
OFFLINE = Path(__file__).parent / "offline"
NOT_MEANT_FOR_READERS = re.compile(r"Warning|Traceback|\x1b\[")

every = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return found


def test_there_are_ten() -> None:
    assert len(TUTORIALS) == 10


@every
def test_is_kept_without_outputs(path: Path) -> None:
    for cell in cells(path):
        if cell["cell_type"] == "code":
            assert not cell["outputs"] and cell["execution_count"] is None
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}


@every
def test_begins_with_a_title_and_says_what_to_do_with_own_data(path: Path) -> None:
    texts = ["".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "markdown"]
    assert texts[0].startswith("# ")
    assert sum(line.startswith("# ") for text in texts for line in text.splitlines()) == 1
    assert any("own data" in text for text in texts)


@pytest.mark.slow
@every
def test_every_cell_runs_offline(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a kernel of its own, as a reader runs it; nothing that it shows is noise."""
    if path.stem == "annotate_with_shipped_model" and find_shipped("blood") is None:
        pytest.skip("no annotator of blood ships with this version")
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    paths = [str(OFFLINE), str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("SCMAMBA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # figures are shown, as in Jupyter
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    (tmp_path / "work").mkdir()
    resources = {"metadata": {"path": str(tmp_path / "work")}}
    client.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources=resources
    ).execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            shown = str(output.get("text", "")) + str(output.get("data", {}).get("text/plain", ""))
            found = NOT_MEANT_FOR_READERS.search(shown)
            assert found is None, f"{''.join(cell.source)[:80]!r} shows {shown[:300]!r}"
