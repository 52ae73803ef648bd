"""Set up every run of pytest, of tests and of examples in docstrings alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scmamba import settings


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Give each worker of ``pytest -n`` neighboring tests, so that they share what is fitted once.

    By default tests are dealt out one by one, and each worker makes the fixtures of each file.
    """
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"


@pytest.fixture(autouse=True)
def _settings_as_they_were(request: pytest.FixtureRequest) -> Iterator[None]:
    """Examples may change settings; those of the next module find them as they were."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    before = dict(vars(settings))
    yield
    vars(settings).update(before)
    settings.verbosity = settings.verbosity  # also that of the logger
