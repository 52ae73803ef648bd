"""One process at a time works on a target, and the dead hold nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from scmamba import ScmambaError
from scmamba._files import atomic, locked, locks

HOLD = """
    import os, sys, time
    from pathlib import Path
    from scmamba._files import locked
    with locked(Path(sys.argv[1])):
        child = os.fork() if "fork" in sys.argv else 1
        if child:
            print("held", child, flush=True)
        time.sleep(60)
"""


def holder(target: Path, *options: str) -> tuple[subprocess.Popen[str], int]:
    """A process that holds the lock of ``target``, and the number of its child."""
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(target), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    word, child = process.stdout.readline().split()
    assert word == "held"
    return process, int(child)


def test_another_process_is_named(tmp_path: Path) -> None:
    target = tmp_path / "out.h5ad"
    process, _ = holder(target)
    try:
        told = f"out.h5ad is being written by process {process.pid} on .* since 20"
        with pytest.raises(ScmambaError, match=told), locked(target, wait=0.1):
            pass
    finally:
        process.kill()
        process.communicate()
    with locked(target, wait=10):  # free, although its file is there still
        assert (tmp_path / ".out.h5ad.lock").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that fork")
def test_a_child_does_not_keep_the_lock_of_a_dead_parent(tmp_path: Path) -> None:
    target = tmp_path / "out"
    process, child = holder(target, "fork")
    process.kill()
    process.wait()
    try:
        with locked(target, wait=10):
            os.kill(child, 0)  # it is alive
    finally:
        os.kill(child, signal.SIGKILL)
        process.communicate()


def test_within_a_process_too(tmp_path: Path) -> None:
    with (
        locked(tmp_path / "a"),
        locked(tmp_path / "b"),
        pytest.raises(ScmambaError, match="being written by process"),
        locked(tmp_path / "a", wait=0),
    ):
        pass
    with locked(tmp_path / "a", wait=0):
        pass


def test_a_lock_file_that_was_removed_meanwhile_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    current, answers = locks._is_current, [False, True]

    def removed_once(descriptor: int, path: Path) -> bool:
        return current(descriptor, path) and answers.pop(0)

    monkeypatch.setattr(locks, "_is_current", removed_once)
    with locked(tmp_path / "a"):
        assert not answers


def test_where_there_are_no_locks_files_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with atomic(tmp_path / "a") as temporary:
        temporary.write_text("a")
    assert (tmp_path / "a").read_text() == "a"
