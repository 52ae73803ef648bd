"""Help as a user reads it: at once, in the words of a command line."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from scmamba.cli._help import plain
from scmamba.cli.main import COMMANDS, main

HEAVY = ("anndata", "lightning", "numba", "pandas", "scanpy", "scipy", "sklearn", "torch")


@pytest.mark.parametrize("command", COMMANDS)
def test_no_python_in_the_help_of_a_command(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "--output" in text or command in ("download", "info", "models")
    found = re.findall(r"\b(?:None|True|False(?! positive)|type:|NoneType|Optional)\b|``", text)
    assert not found


def test_help_imports_nothing_heavy() -> None:
    program = f"""
import sys
from scmamba.cli.main import COMMANDS, main
for command in COMMANDS:
    try:
        main([*command.split(), "--help"])
    except SystemExit:
        pass
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    assert not heavy, (command, heavy)
"""
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Lengths. (type: int | Sequence[int], default: ())", "Lengths."),
        ("Whether to. (type: bool, default: False)", "Whether to. (default: false)"),
        ("A file. (required, type: <class 'Path'>)", "A file. (required)"),
        ("Rate. None: 2e-3 (fine-tuning: 1e-4).", "Rate. If left out: 2e-3 (fine-tuning: 1e-4)."),
        ("Seed;\n    None: ``settings.seed``.", "Seed; if left out: 0."),
        ('``obsm["X"]``, or "as it is"', 'obsm["X"], or as it is'),
    ],
)
def test_texts(text: str, meant: str) -> None:
    assert plain(text) == meant
