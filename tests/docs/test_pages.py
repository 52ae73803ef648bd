"""Blocks of the pages run on tiny data; commands are understood; names in prose exist."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest

import scmamba
from scmamba.cli import main as frame

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (ROOT / "docs").rglob("*.md")
    if not {"_build", "generated"} & set(path.relative_to(ROOT).parts)
)
BLOCK = re.compile(r"^```(python|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(path: Path, language: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [code for found, code in BLOCK.findall(text) if found == language]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_python_of_every_page_parses(path: Path) -> None:
    for code in blocks(path, "python"):
        ast.parse(code)


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for code in blocks(path, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", [ROOT / "README.md", *PAGES], ids=name)
def test_functions_and_arguments_in_pages_exist(path: Path) -> None:
    import inspect

    for function, call in calls(path):
        parts = function.split(".")
        if parts[0] == "sequence":
            parts = ["scmamba", "tasks", *parts]
        if parts[0] != "scmamba":
            continue
        found: object = scmamba
        for part in parts[1:]:
            found = getattr(found, part)
        signature = inspect.signature(found)  # type: ignore[arg-type]
        keywords = {one.arg for one in call.keywords if one.arg}
        if not any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values()):
            assert keywords <= set(signature.parameters), function


def command_lines() -> list[str]:
    found = []
    for path in PAGES:
        for code in blocks(path, "bash"):
            for line in code.replace("\\\n", " ").splitlines():
                words = line.split(" #")[0].removeprefix("srun ").strip()
                words = re.sub(r"^[A-Z_]+=\w+ ", "", words)
                if words.startswith("scmamba "):
                    found.append(words)
    return sorted(set(found))


@pytest.mark.parametrize("line", command_lines())
def test_commands_of_the_pages_are_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    named = next(one for one in frame.COMMANDS if words[: one.count(" ") + 1] == one.split())
    module = re.sub("[- ]", "_", named)
    command = getattr(importlib.import_module(f"scmamba.cli.{module}"), module)
    given = frame._named(command, words[named.count(" ") + 1 :])
    frame._parser(named, command).parse_args(given)


def run(path: Path, most: int | None = None) -> dict[str, object]:
    variables: dict[str, object] = {}
    for code in blocks(path, "python")[:most]:
        exec(compile(code, str(path), "exec"), variables)
    return variables


def small() -> object:
    cells = scmamba.datasets.synthetic(60, 40, 2, human=True, seed=0)
    cells.obs["bulk_labels"] = cells.obs["cell_type"]
    return cells


def test_quick_start_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On tiny cells; its training is cut to an epoch."""
    quick = scmamba.tasks.AnnotationTraining(epochs=1, n_members=1)
    monkeypatch.setattr(scmamba.tasks, "AnnotationTraining", lambda **_: quick)
    monkeypatch.setattr(scmamba.datasets, "pbmc68k_reduced", small)
    monkeypatch.chdir(tmp_path)
    found = run(ROOT / "docs" / "quickstart.md")
    assert isinstance(found["figure"], matplotlib.figure.Figure)
    assert {path.name for path in tmp_path.iterdir()} >= {"annotated.png", "my-annotator"}


@pytest.mark.parametrize(("page", "most"), [("own-data", None), ("genes", 1)])
def test_how_to_pages_run(page: str, most: int | None, capsys: pytest.CaptureFixture[str]) -> None:
    run(ROOT / "docs" / "howto" / f"{page}.md", most)
    if page == "own-data":
        assert "cell_type" in capsys.readouterr().out


def test_figures_of_the_readme_are_those_of_the_table() -> None:
    """The picture is drawn from the table of the benchmarks; its rows are complete."""
    import runpy

    drawing = runpy.run_path(str(ROOT / "docs" / "overview_figure.py"))
    figure = drawing["draw"]()
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert [label.split("\n")[0] for label in labels] == [row[0] for row in drawing["rows"]()[::-1]]
    assert np.all([float(row[2]) <= 1 for row in drawing["rows"]()])
    for picture in ("docs/_static/overview.png", "docs/umap.png"):
        assert (ROOT / picture).stat().st_size < 160_000
