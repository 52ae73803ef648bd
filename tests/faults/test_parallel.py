"""Worker processes end with the process that started them, however it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, sys, time
from scmamba import settings
from scmamba.learn import parallel

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs ignore it

def job(fifo, i):
    with open(fifo, "w") as told:  # stays open as long as this process lives
        told.write(f"{os.getpid()}\\n")
        told.flush()
        time.sleep(3600)

settings.n_jobs = 2
parallel.run(job, [(sys.argv[1], i) for i in range(2)], text="", spread=True)
"""
LONG = 120.0
"""Seconds after which a test gives up; nothing is waited for where all goes well."""


def read(descriptor: int) -> bytes:
    """What comes next; b"" once every writer has ended."""
    assert select.select([descriptor], [], [], LONG)[0], "nothing happened"
    return os.read(descriptor, 4096)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("sent", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_workers_end_with_their_parent(tmp_path: Path, sent: str) -> None:
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    keep = os.open(fifo, os.O_WRONLY)  # no end of file before the first worker
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    parent = subprocess.Popen(
        [sys.executable, str(script), str(fifo)],
        start_new_session=True,  # the signal reaches the parent alone
        stderr=subprocess.DEVNULL,
    )
    try:
        workers: list[int] = []
        while len(workers) < 2:
            workers += map(int, read(descriptor).split())
        assert parent.pid not in workers and len(set(workers)) == 2
        os.close(keep)
        parent.send_signal(getattr(signal, sent))
        assert read(descriptor) == b""  # both have ended
        assert parent.wait(LONG) != 0
    finally:
        parent.kill()
        parent.wait()
        os.close(descriptor)
