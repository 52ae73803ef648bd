"""Commands offer what the functions of tasks take, so that neither drifts from the other."""

from __future__ import annotations

import inspect

import pytest

from scmamba import tasks
from scmamba.cli import main as frame
from scmamba.cli.annotate import annotate
from scmamba.cli.embed import embed


@pytest.mark.parametrize(("command", "task"), [(annotate, tasks.annotate), (embed, tasks.embed)])
def test_every_parameter_of_the_task_is_an_option(command, task) -> None:  # type: ignore[no-untyped-def]
    parser = frame._parser(task.__name__, command)
    defaults = vars(parser.get_defaults())
    for name, parameter in inspect.signature(task).parameters.items():
        if name in ("adata", "copy"):
            assert name not in defaults
            continue
        assert name in defaults
        if parameter.default is not parameter.empty:
            assert defaults[name] == parameter.default
