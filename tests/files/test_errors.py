"""What fails while something is written becomes one error with the path and the remedy."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from safetensors import SafetensorError

from scmamba import ScmambaError
from scmamba._files import writing


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left"), "No space left on device; make room"),
        (OSError(errno.EDQUOT, "quota"), "make room"),
        (OSError(errno.EFBIG, "large"), "ulimit"),
        (PermissionError(errno.EACCES, "no", "/a/b"), r"Permission denied \(b\); choose a folder"),
        (OSError(errno.EROFS, "ro"), "Read-only file system; choose a folder"),
        (OSError("no number"), "no number; check the path"),
        (shutil.Error([("a", "b", "[Errno 28] No space left on device")]), "make room"),
        (RuntimeError("Can't write (file write failed: errno = 28, error message)"), "make room"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "make room"),
    ],
)
def test_errors_of_the_system(error: Exception, message: str) -> None:
    told = f"cannot write out.h5ad: .*{message}"
    with pytest.raises(ScmambaError, match=told) as raised, writing("out.h5ad"):
        raise error
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [RuntimeError("sizes differ"), ValueError("errno 28"), KeyError])
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error) if isinstance(error, Exception) else error), writing("out"):
        raise error


LIMITED = """
    import resource, signal, sys
    from pathlib import Path
    import h5py, numpy as np, torch
    from safetensors.torch import save_file
    from scmamba import ScmambaError
    from scmamba._files import atomic
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    def by_hdf5(path):
        with h5py.File(path, "w") as file:
            file["a"] = np.zeros(100_000)
    ways = {
        "text": lambda path: path.write_text("a" * 200_000),
        "numpy": lambda path: np.save(path.open("wb"), np.zeros(100_000)),
        "safetensors": lambda path: save_file({"a": torch.zeros(100_000)}, path),
        "hdf5": by_hdf5,
    }
    folder = Path(sys.argv[1])
    for name, write in ways.items():
        path = folder / name
        path.write_text("old")
        try:
            with atomic(path) as temporary:
                write(temporary)
        except ScmambaError as error:
            assert str(path) in str(error), error
            assert "ulimit" in str(error) or "make room" in str(error), error
        else:
            raise SystemExit(f"{name} was written")
        assert path.read_text() == "old"
    assert sorted(one.name for one in folder.iterdir()) == sorted(ways)
    print("fine")
"""


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_no_room_for_any_kind_of_file(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.endswith("fine\n"), done.stderr
