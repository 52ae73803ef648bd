"""Sessions that a release must pass: ``nox`` runs them all, ``nox -l`` lists them.

``nox -s tests-3.12 -- -k embed`` passes what follows ``--`` to pytest.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "tests", "oldest", "pinned", "docs", "build"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
ENVIRONMENT = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
"""More threads than cores slow the workers of pytest down."""


def run_tests(session: nox.Session, *default: str) -> None:
    """Run pytest in parallel, with the coverage plugin where ``--cov`` is asked for."""
    if any(one.startswith("--cov") for one in session.posargs):
        session.install("pytest-cov")
    session.run("pytest", "-n", "auto", *default, *session.posargs, env=ENVIRONMENT)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """All tests with the newest dependencies."""
    session.install(".[test]")
    run_tests(session)


@nox.session(python="3.11")
def pinned(session: nox.Session) -> None:
    """All tests with the versions of constraints.txt."""
    session.install("-c", "constraints.txt", ".[test]")
    run_tests(session)


@nox.session(python="3.11")
def oldest(session: nox.Session) -> None:
    """All tests with the oldest versions that setup.cfg allows."""
    session.install("-c", "constraints-oldest.txt", ".[test]")
    run_tests(session, "-p", "no:cacheprovider")


@nox.session(python="3.12")
def lint(session: nox.Session) -> None:
    """Style, order of imports between rooms, and types."""
    session.install("-c", "constraints.txt", ".[test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache")
    session.run("mypy")


@nox.session(python="3.12")
def docs(session: nox.Session) -> None:
    """Build the pages of docs/, warnings as errors."""
    session.install("-c", "constraints.txt", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "docs", "docs/_build/html")


@nox.session(python="3.12")
def build(session: nox.Session) -> None:
    """Wheel and source archive: built, checked, and the wheel imported where no sources are."""
    session.install("build", "twine")
    for old in Path("dist").glob("scmamba-*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", "dist", ".")
    files = sorted(str(path.resolve()) for path in Path("dist").glob("scmamba-*"))
    session.run("twine", "check", "--strict", *files)
    session.run("python", "tests/release/contents.py", *files)
    session.install(next(path for path in files if path.endswith(".whl")))
    with tempfile.TemporaryDirectory() as elsewhere, session.chdir(elsewhere):
        session.run("scmamba", "--version")
        session.run("scmamba", "info")


if __name__ == "__main__":
    sys.exit("run it with nox")
