"""Commands offer what the functions of tasks take, so that neither drifts from the other."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest

from scmamba import tasks
from scmamba.cli import main as frame
from scmamba.cli.annotate import annotate
from scmamba.cli.embed import embed
from scmamba.cli.integrate import integrate
from scmamba.cli.knockout import knockout


@pytest.mark.parametrize(
    ("command", "task"),
    [
        (annotate, tasks.annotate),
        (embed, tasks.embed),
        (integrate, tasks.integrate),
        (knockout, tasks.knockout),
    ],
)
def test_every_parameter_of_the_task_is_an_option(command, task) -> None:  # type: ignore[no-untyped-def]
    parser = frame._parser(task.__name__, command)
    defaults = vars(parser.get_defaults())
    for name, parameter in inspect.signature(task).parameters.items():
        if name in ("adata", "copy"):
            assert name not in defaults
            continue
        if name == "client":  # a command takes the address of its scheduler
            name = "dask_scheduler"
        assert name in defaults
        if parameter.default is not parameter.empty:
            assert defaults[name] == parameter.default


def _lines() -> list[str]:
    """Commands in the README's blocks, as one would type them."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("scmamba ")]


@pytest.mark.parametrize("line", _lines())
def test_commands_of_the_readme_are_understood(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    name = next(name for name in frame.COMMANDS if words[: name.count(" ") + 1] == name.split())
    module = re.sub("[- ]", "_", name)
    command = getattr(importlib.import_module(f"scmamba.cli.{module}"), module)
    given = frame._named(command, words[name.count(" ") + 1 :])
    frame._parser(name, command).parse_args(given)
