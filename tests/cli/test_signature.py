"""Options read from source files are those that importing the functions would give."""

from __future__ import annotations

import importlib
import inspect
import typing

import pytest

from scmamba import tasks
from scmamba.cli._signature import with_options
from scmamba.cli.main import COMMANDS

PASSED_ON = {
    "annotate": tasks.annotate,
    "embed": tasks.embed,
    "integrate": tasks.integrate,
    "generate": tasks.sequence.generate,
    "score": tasks.sequence.score,
    "fit_sequences": tasks.sequence.fit,
}


@pytest.mark.parametrize("name", PASSED_ON)
def test_types_and_defaults_are_those_of_the_function(name: str) -> None:
    command = getattr(importlib.import_module(f"scmamba.cli.{name}"), name)
    found = inspect.signature(with_options(command)).parameters
    own = set(inspect.signature(command).parameters)
    task = PASSED_ON[name]
    local = {"AnnData": object, "MuData": object, "Client": object}
    hints = typing.get_type_hints(inspect.unwrap(task), localns=local)
    passed_on = [one for one in inspect.signature(task).parameters.values() if one.name in found]
    for one in passed_on:
        if one.name not in own:
            assert found[one.name].default == one.default
            assert found[one.name].annotation == hints[one.name]
    assert len([one for one in passed_on if one.name not in own]) >= 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_read_from_its_file(name: str) -> None:
    module = name.replace("-", "_").replace(" ", "_")
    command = getattr(importlib.import_module(f"scmamba.cli.{module}"), module)
    assert with_options(command) is not command


def test_what_cannot_be_read_stays_as_it_is() -> None:
    def command(**options: object) -> None:
        """Make nothing."""

    assert with_options(command) is command
