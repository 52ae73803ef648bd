"""A file is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from scmamba import ScmambaError
from scmamba._files import atomic, writable, writable_folder


def test_success_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.h5ad"
    path.write_text("old")
    with atomic(path) as temporary:
        assert temporary.suffix == ".h5ad"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "out.h5ad"
    path.write_text("old")
    with pytest.raises(error), atomic(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(ScmambaError, match="is a folder"):
        writable(tmp_path)
    with pytest.raises(ScmambaError, match="does not exist"):
        writable(tmp_path / "no" / "file")
    with pytest.raises(ScmambaError, match="cannot write"):
        writable("/proc/file")
    assert writable(str(tmp_path / "file")) == tmp_path / "file"
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ScmambaError, match="file is a file; give a folder"):
        writable_folder(tmp_path / "file" / "sub")
    with pytest.raises(ScmambaError, match="cannot write /proc/sub"):
        writable_folder("/proc/sub")
    assert writable_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert writable_folder("relative") == Path("relative")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
