"""The frame: parsers from signatures, errors in one line, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from scmamba import ScmambaError, settings
from scmamba.cli import main as frame
from scmamba.cli.main import _underscored, main

seen: dict[str, Any] = {}


def work(cells: str, *, layer: str | None = None, seed: int = 0) -> None:
    """Stands for a function of tasks.

    Parameters
    ----------
    cells
        Cells.
    layer
        Where counts are.
    seed
        Of everything.
    """
    seen.update(cells=cells, layer=layer, seed=seed)


def toy(input: Path, *, output: Path, fail: str = "", **options: Any) -> None:
    """Stands for a command.

    Parameters
    ----------
    input
        Cells to read.
    output
        File to write.
    fail
        How to fail.
    """
    errors: dict[str, BaseException] = {
        "wrong": ScmambaError("layer='x'\n  is not there"),
        "stop": KeyboardInterrupt(),
        "bug": ZeroDivisionError(),
    }
    if fail == "lightning":
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)
    if fail:
        raise errors[fail]
    work(str(input), **options)


@pytest.fixture(autouse=True)
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("scmamba.cli.toy")
    module.toy = toy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "scmamba.cli.toy", module)
    monkeypatch.setitem(frame.COMMANDS, "toy", "play")
    seen.clear()


def test_options_of_the_command_and_of_what_it_calls() -> None:
    assert main(["toy", "in.h5ad", "--output", "o", "--seed", "3"]) == 0
    assert seen == {"cells": "in.h5ad", "layer": None, "seed": 3}


def test_config_file_and_options_that_override_it(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("input: a.h5ad\noutput: b.h5ad\nlayer: counts\nseed: 1\n")
    assert main(["toy", "--config", str(config), "--seed", "2"]) == 0
    assert seen == {"cells": "a.h5ad", "layer": "counts", "seed": 2}


def test_a_command_of_two_words(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("scmamba.cli.toy_box")
    module.toy_box = toy  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "scmamba.cli.toy_box", module)
    monkeypatch.setitem(frame.COMMANDS, "toy box", "tidy up")
    assert main(["toy", "box", "in.h5ad", "--output", "o", "--seed", "4"]) == 0
    assert seen == {"cells": "in.h5ad", "layer": None, "seed": 4}


def test_settings_are_set_from_options() -> None:
    assert main(["toy", "i", "--output", "o", "--device", "cpu", "--verbosity", "error"]) == 0
    assert (settings.device, settings.verbosity) == ("cpu", "error")


def test_help_tells_options_from_docstrings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["toy", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "Cells to read." in text
    assert "Where counts are." in text
    assert "--cells" not in text
    assert "type:" not in text
    assert "``" not in text


@pytest.mark.parametrize(
    ("fail", "code", "line"),
    [
        ("wrong", 2, "scmamba: layer='x' is not there\n"),
        ("stop", 130, "\nscmamba: stopped; nothing was half written\n"),
        ("lightning", 130, "\nscmamba: stopped; nothing was half written\n"),
    ],
)
def test_errors_are_one_line_and_a_code(
    fail: str, code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["toy", "i", "--output", "o", "--fail", fail]) == code
    assert capsys.readouterr().err == line


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        main(["toy", "i", "--output", "o", "--fail", "bug"])


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["toy", "i"], "--output"),
        (["toy", "i", "--output", "o", "--seed", "many"], "Got value: many"),
        (["toy", "i", "--output", "o", "--nope", "1"], "--nope"),
    ],
)
def test_wrong_options_exit_2(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert part in capsys.readouterr().err


def test_unknown_commands_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anotate"]) == 2
    expected = "unknown command 'anotate' (did you mean 'annotate'?); commands are demo, annotate"
    assert expected in capsys.readouterr().err


def test_version_and_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert main([]) == 0
    assert "usage: scmamba COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["demo", "embed", "annotate", "download", "info"])
def test_every_command_is_a_function_of_its_module(name: str) -> None:
    module = __import__(f"scmamba.cli.{name}", fromlist=[name])
    function: Callable[..., None] = getattr(module, name)
    assert function.__doc__
    assert name in frame.COMMANDS


def test_options_that_multiply_are_refused(tmp_path, capsys):
    config = tmp_path / "run.yaml"
    config.write_text("a: &a [x, x]\nb: [*a, *a]\n")
    assert main(["info", "--config", str(config)]) == 2
    assert f"{config} repeats a part of itself" in capsys.readouterr().err


def test_options_take_dashes_and_underscores() -> None:
    given = ["--labels-key", "a-b", "--key-added=x-y", "-h", "plain-text", "--seed"]
    expected = ["--labels_key", "a-b", "--key_added=x-y", "-h", "plain-text", "--seed"]
    assert list(map(_underscored, given)) == expected


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--files", "a", "b", "--seed", "1"], ["--files", '["a", "b"]', "--seed", "1"]),
        (["--files", "a", "--seed", "1"], ["--files", "a", "--seed", "1"]),
        (["--seed", "1", "2", "--files=a"], ["--seed", "1", "2", "--files=a"]),
    ],
)
def test_an_option_that_is_a_list_takes_several_values(given: list[str], meant: list[str]) -> None:
    assert frame._listed(given, ["files"]) == meant


@pytest.mark.skipif(sys.platform == "win32", reason="pipes close in another way")
def test_a_reader_that_stops_reading_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    program = "import sys; from scmamba.cli.main import console; sys.exit(console())"
    done = subprocess.run(
        [sys.executable, "-c", program, "--help"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
