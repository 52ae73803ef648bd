"""Importing the package, and asking the command for help, costs nothing and changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

HEAVY = ("torch", "scanpy", "anndata", "lightning", "numpy", "pandas", "matplotlib", "jsonargparse")


def modules_after(code: str) -> tuple[set[str], str]:
    """Modules loaded by ``code`` in a new interpreter, and what it printed before."""
    script = f"{code}\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300
    )
    printed, _, names = run.stdout.rstrip().rpartition("\n")
    return set(json.loads(names)), printed + run.stderr


def test_import_drags_in_nothing_and_says_nothing() -> None:
    loaded, printed = modules_after("import scmamba")
    assert not loaded.intersection(HEAVY)
    assert not printed.strip()


def test_tasks_leave_what_only_some_calls_need_for_later() -> None:
    """Lightning alone takes longer to import than everything else together."""
    late = {
        "igraph",
        "lightning",
        "matplotlib",
        "scanpy",
        "scipy.optimize",
        "scipy.special",
        "scipy.stats",
        "sklearn",
        "torch._dynamo",
        "torchmetrics",
        "transformers",
    }
    if find_spec("dask"):  # where it is installed, anndata imports dask.array, and that this
        late.discard("scipy.special")
    loaded, printed = modules_after("import scmamba.tasks")
    assert not loaded.intersection(late)
    assert not printed.strip()


def test_import_is_quick() -> None:
    code = "import time; t = time.process_time(); import scmamba; print(time.process_time() - t)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 0.5


def test_import_leaves_the_process_as_it_was() -> None:
    code = """
import logging, os, random, warnings
before = (dict(os.environ), logging.root.handlers[:], logging.root.level, random.getstate(),
          warnings.filters[:])
import scmamba
after = (dict(os.environ), logging.root.handlers[:], logging.root.level, random.getstate(),
         warnings.filters[:])
assert before == after
"""
    modules_after(code)


def test_rooms_open_when_asked_for() -> None:
    loaded, _ = modules_after("import scmamba\nscmamba.metrics")
    assert "scmamba.metrics" in loaded
    assert "scmamba.nn" not in loaded


def test_help_is_quick_and_imports_nothing() -> None:
    code = """
import time
from scmamba.cli.main import main
assert main(['--help']) == 0
assert time.process_time() < 2
"""
    loaded, printed = modules_after(code)
    assert not loaded.intersection(HEAVY)
    for command in ("demo", "annotate", "embed", "download", "info"):
        assert command in printed


def test_the_installed_command_lets_threads_sleep_but_the_user_decides() -> None:
    code = """
import os
from scmamba.cli import main
main.main = lambda: 7
os.environ.pop("OMP_WAIT_POLICY", None)
assert main.console() == 7 and os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
os.environ["OMP_WAIT_POLICY"] = "ACTIVE"
assert main.console() == 7 and os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
"""
    modules_after(code)
