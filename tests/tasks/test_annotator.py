"""An annotator's folder is read if nothing was changed, and written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from scmamba._errors import ScmambaError
from scmamba.models.checkpoint import hashed
from scmamba.tasks import Annotator, annotate


@pytest.fixture
def saved(fitted, tmp_path) -> Path:
    return fitted[1].save(tmp_path / "saved")


def edit(folder: Path, **entries: object) -> None:
    path = folder / "annotator.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-100] ^= 64
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: cut(folder / "annotator.json"),
        lambda folder: cut(folder / "arrays.safetensors"),
        lambda folder: cut(folder / "networks" / "0" / "model.safetensors"),
        lambda folder: flip(folder / "networks" / "1" / "model.safetensors"),
        lambda folder: (folder / "arrays.safetensors").unlink(),
        lambda folder: (folder / "annotator.json").unlink(),
        lambda folder: (folder / "networks" / "1" / "config.json").unlink(),
        lambda folder: (folder / "arrays.safetensors").write_bytes(b"\x80\x04pickle"),
        lambda folder: (folder / "annotator.json").write_text("[]"),
        lambda folder: edit(folder, format_version=99),
        lambda folder: edit(folder, fusion={}, genes=None),
        lambda folder: edit(folder, fusion={"no_such": 1}),
        lambda folder: flip(folder / "arrays.safetensors"),
        lambda folder: edit(folder, classes=["a", "b"]),
        lambda folder: edit(folder, genes=["a", "b"]),
    ],
)
def test_a_damaged_folder_is_told(saved, damage) -> None:
    damage(saved)
    with pytest.raises(ScmambaError):
        Annotator.load(saved)


def test_what_is_no_annotator(cells, tmp_path) -> None:
    with pytest.raises(ScmambaError, match="annotator.json"):
        Annotator.load(tmp_path)
    with pytest.raises(ScmambaError, match="nowhere"):
        Annotator.load(tmp_path / "nowhere")


def test_a_newer_format_names_the_way(saved) -> None:
    edit(saved, format_version=99)
    with pytest.raises(ScmambaError, match="format version 99.*update scmamba"):
        Annotator.load(saved)


def test_a_damaged_annotator_leaves_adata_untouched(cells, saved, assert_untouched) -> None:
    cut(saved / "arrays.safetensors")
    before = cells.copy()
    with pytest.raises(ScmambaError, match="damaged"):
        annotate(cells, model=saved)
    assert_untouched(cells, before)


def test_no_pickle_is_written(saved) -> None:
    suffixes = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors"}


def test_other_files_are_not_replaced(fitted, tmp_path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ScmambaError, match="mine.txt"):
        fitted[1].save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(ScmambaError, match="is a file"):
        fitted[1].save(tmp_path / "mine.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder(fitted, tmp_path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ScmambaError, match="cannot write"):
        fitted[1].save(tmp_path / "saved")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError("disk full")])
def test_an_interrupted_save_keeps_the_old_one(fitted, saved, monkeypatch, stop) -> None:
    def fail(*args, **options):
        raise stop

    monkeypatch.setattr(hashed, "save_tensors", fail)
    with pytest.raises((KeyboardInterrupt, OSError, ScmambaError)):
        fitted[1].save(saved)
    monkeypatch.undo()
    assert [path.name for path in saved.parent.iterdir()] == ["saved"]
    assert Annotator.load(saved).classes == fitted[1].classes
