"""What runs cost: processor seconds count those of worker processes."""

from __future__ import annotations

import hashlib
import sys
import time

import pytest

from scmamba._memory import peak_bytes, peak_bytes_of_workers
from scmamba._settings import settings
from scmamba.benchmark._cost import measure_cost
from scmamba.learn.parallel import run


def burn(seconds: float) -> None:
    """Use the processor for so long."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_work_here_is_counted() -> None:
    with measure_cost() as cost:
        burn(0.2)
    assert cost.seconds > 0 and cost.cpu_seconds >= 0.2


@pytest.mark.skipif(sys.platform == "win32", reason="needs getrusage")
def test_work_of_worker_processes_is_counted(monkeypatch) -> None:
    monkeypatch.setattr(settings, "n_jobs", 2)
    monkeypatch.setattr(settings, "verbosity", "error")
    jobs = [("sha256", b"password", b"salt", 200_000)] * 2
    before = time.process_time()
    with measure_cost() as cost:
        run(hashlib.pbkdf2_hmac, jobs, text="Hashing", spread=True)
    assert cost.cpu_seconds > time.process_time() - before + 0.1
    assert peak_bytes_of_workers() > 10 << 20 and peak_bytes() > 10 << 20


def test_a_run_that_fails_is_measured_too() -> None:
    with pytest.raises(ValueError, match="no"), measure_cost() as cost:
        burn(0.05)
        raise ValueError("no")
    assert cost.cpu_seconds >= 0.05
