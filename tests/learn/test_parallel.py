"""Jobs side by side: how far they are together, and how many there are."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.learn.parallel import n_workers, overall, run


def test_jobs_that_have_not_begun_are_taken_to_be_as_long_as_the_others() -> None:
    steps = np.zeros((3, 2))
    assert overall(steps) == (0, 0)
    steps[:2] = [[10, 40], [5, 20]]
    assert overall(steps) == (15, 90)
    steps[:] = [[40, 40], [20, 20], [30, 30]]
    assert overall(steps) == (90, 90)


def test_processes_are_a_setting(monkeypatch) -> None:
    monkeypatch.setattr(settings, "n_jobs", 3)
    assert n_workers() == 3
    monkeypatch.setattr(settings, "n_jobs", None)
    assert n_workers() >= 1
    for wrong in (0, -1, 1.5):
        with pytest.raises(ScmambaError, match="n_jobs=.*; give a whole number above 0"):
            settings.n_jobs = wrong


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_come_in_the_order_of_the_jobs(monkeypatch, n_jobs) -> None:
    monkeypatch.setattr(settings, "n_jobs", n_jobs)
    monkeypatch.setattr(settings, "verbosity", "error")
    assert run(divmod, [(7, 2), (9, 4), (5, 5)], text="Dividing", spread=True) == [
        (3, 1),
        (2, 1),
        (1, 0),
    ]
