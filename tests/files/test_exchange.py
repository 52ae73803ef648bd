"""A folder is replaced in one step, or comes back when a process dies between two."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scmamba._files import atomic_folder, exchange, put_in_place, recover


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A new folder and the one that it replaces."""
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "which").write_text(name)
    return tmp_path / "new", tmp_path / "old"


@pytest.mark.parametrize("one_step", [True, False])
def test_a_folder_replaces_another(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, one_step: bool
) -> None:
    if not one_step:
        monkeypatch.setattr(exchange, "swap", lambda *_: False)
    new, path = folders
    put_in_place(new, path)
    assert (path / "which").read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_replacement_brings_the_old_folder_back(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    new, path = folders
    monkeypatch.setattr(exchange, "swap", lambda *_: False)
    replace = os.replace

    def fails(one: Path, other: Path) -> None:
        if one == new:
            raise OSError("no")
        replace(one, other)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="no"):
        put_in_place(new, path)
    assert (path / "which").read_text() == "old"


def test_a_folder_set_aside_by_a_killed_process_comes_back(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    _, path = folders
    os.replace(path, path.with_name(".old.old"))
    recover(path)
    assert (path / "which").read_text() == "old"
    assert "is back in its place" in caplog.text
    recover(path)
    assert (path / "which").read_text() == "old"


def test_a_folder_set_aside_goes_once_the_new_one_is_there(folders: tuple[Path, Path]) -> None:
    new, path = folders
    os.replace(new, path.with_name(".old.old"))
    with atomic_folder(path, replaces=frozenset({"which"})) as temporary:
        (temporary / "which").write_text("newest")
    assert (path / "which").read_text() == "newest"
    assert list(path.parent.iterdir()) == [path]
