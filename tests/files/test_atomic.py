"""A file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scmamba import ScmambaError
from scmamba._files import atomic, atomic_folder, temporary_folder, writable, writable_folder


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


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.txt").write_text("old")
    (tmp_path / "saved").mkdir()
    file, folder = tmp_path / "link.txt", tmp_path / "linked"
    file.symlink_to("real.txt")
    folder.symlink_to("saved")
    with atomic(file) as temporary:
        temporary.write_text("new")
    with atomic_folder(folder, replaces=frozenset({"a"})) as temporary:
        (temporary / "a").write_text("new")
    assert file.is_symlink() and (tmp_path / "real.txt").read_text() == "new"
    assert folder.is_symlink() and (tmp_path / "saved" / "a").read_text() == "new"
    assert names(tmp_path) == ["link.txt", "linked", "real.txt", "saved"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".out.0123abcd.tmp.txt").write_text("half")
    (tmp_path / ".ann.0123abcd.tmp").mkdir()
    (tmp_path / ".out.txt.lock").write_text("")
    (tmp_path / ".other.0123abcd.tmp.txt").write_text("of another target")
    with atomic(tmp_path / "out.txt") as temporary:
        temporary.write_text("new")
    with atomic_folder(tmp_path / "ann", replaces=frozenset()):
        pass
    assert names(tmp_path) == [".other.0123abcd.tmp.txt", "ann", "out.txt"]


def test_a_folder_that_holds_other_files_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with (
        pytest.raises(ScmambaError, match="holds other files .thesis.tex"),
        atomic_folder(tmp_path / "mine", replaces=frozenset({"a"})),
    ):
        pass
    with (
        pytest.raises(ScmambaError, match="is a file"),
        atomic_folder(tmp_path / "mine" / "thesis.tex", replaces=frozenset()),
    ):
        pass


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_modes_are_kept_and_new_files_follow_the_umask(tmp_path: Path) -> None:
    private = tmp_path / "private.txt"
    private.write_text("old")
    private.chmod(0o640)
    before = os.umask(0o027)
    try:
        for path in (private, tmp_path / "new.txt"):
            with atomic(path) as temporary:
                temporary.write_text("new")
                temporary.chmod(0o600)
        for _ in range(2):
            with atomic_folder(tmp_path / "model", replaces=frozenset({"weights"})) as temporary:
                (temporary / "weights").write_text("")
                (temporary / "weights").chmod(0o600)
            modes = [mode(tmp_path / "model"), mode(tmp_path / "model" / "weights")]
            assert modes == [0o750, 0o640]
    finally:
        os.umask(before)
    assert mode(private) == 0o640 and mode(tmp_path / "new.txt") == 0o640


def test_a_temporary_folder_goes_and_so_do_those_of_the_dead(tmp_path: Path) -> None:
    (tmp_path / ".unpacked-dead").mkdir()
    with (
        temporary_folder(tmp_path, ".unpacked-") as one,
        temporary_folder(tmp_path, ".unpacked-") as two,
    ):
        assert one.is_dir() and two.is_dir() and not (tmp_path / ".unpacked-dead").exists()
    assert names(tmp_path) == []


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
