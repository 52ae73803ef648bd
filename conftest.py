"""Examples in docstrings may change settings; those of the next module find them as they were."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scmamba import settings


@pytest.fixture(autouse=True)
def _settings_as_they_were(request: pytest.FixtureRequest) -> Iterator[None]:
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    before = dict(vars(settings))
    yield
    vars(settings).update(before)
    settings.verbosity = settings.verbosity  # also that of the logger
