"""Machine code on disk: damaged, cut or unwritable files never make a call fail."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from scmamba._machine_code import MachineCode

PROGRAM = """
import resource, sys
if len(sys.argv) > 1:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from function import triple
assert triple(14) == 42
print(sum(triple.stats.cache_hits.values()), sum(triple.stats.cache_misses.values()))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = (
        "from scmamba._compiled import compiled\n\n\n@compiled\ndef triple(a):\n    return 3 * a\n"
    )
    (tmp_path / "function.py").write_text(text)
    return tmp_path


def call(folder: Path, *arguments: str) -> list[int]:
    """Call the function in a new process; hits and misses of its cache."""
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n{PROGRAM}", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return list(map(int, done.stdout.split()))


@pytest.mark.slow
def test_it_is_kept_and_a_damaged_file_is_compiled_again(folder: Path) -> None:
    assert call(folder) == [0, 1]
    assert call(folder) == [1, 0]
    files = sorted((folder / "__pycache__").glob("*.nb?"))
    assert len(files) == 2
    for file in files:
        content = file.read_bytes()
        for damaged in (content[: len(content) // 2], content[:-9] + b"\0" + content[-8:], b""):
            file.write_bytes(damaged)
            assert call(folder) == [0, 1]
            assert call(folder) == [1, 0]


@pytest.mark.slow
def test_a_full_disk_is_no_error(folder: Path) -> None:
    assert call(folder, "100") == [0, 1]


def test_what_cannot_be_written_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("numba.core.caching.FunctionCache.save_overload", full)
    monkeypatch.setattr("numba.core.caching.FunctionCache.load_overload", full)
    cache = object.__new__(MachineCode)
    cache._name = "function"
    assert cache.load_overload(None, None) is None
    cache.save_overload(None, None)
