"""What is sealed comes back as it was, and every change of it is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scmamba._errors import ScmambaError
from scmamba.models.checkpoint.hashed import ARRAYS, HashedFolder

SEALED = HashedFolder("thing", "thing.json", 2, others=("extra.txt",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "extra.txt").write_text("extra")
    SEALED.write(tmp_path, {"names": ("b", "a")}, {"x": np.arange(6.0).reshape(2, 3)[:, ::-1]})
    return tmp_path


def test_what_was_written_is_read(folder: Path) -> None:
    with SEALED.reading(folder) as (content, arrays):
        assert content["names"] == ["b", "a"]
        np.testing.assert_array_equal(arrays["x"], [[2, 1, 0], [5, 4, 3]])


@pytest.mark.parametrize("name", ["thing.json", "extra.txt", ARRAYS])
def test_each_changed_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    changed = path.read_bytes().replace(b'"b"', b'"c"')
    path.write_bytes(changed if name == "thing.json" else changed + b" ")
    told = f"{name} was damaged .* save the thing again"
    with pytest.raises(ScmambaError, match=told), SEALED.reading(folder):
        pass


def test_every_file_of_the_folder_is_sealed(tmp_path: Path) -> None:
    (tmp_path / "extra.txt").write_text("extra")
    (tmp_path / "model").mkdir()
    inner = tmp_path / "model" / "config.json"
    inner.write_text('{"d": 1}')
    SEALED.write(tmp_path, {}, {"x": np.arange(3)})
    with SEALED.reading(tmp_path):
        pass
    inner.write_text('{"d": 2}')
    with (
        pytest.raises(ScmambaError, match=r"model/config\.json was damaged"),
        SEALED.reading(tmp_path),
    ):
        pass
    inner.unlink()
    with pytest.raises(ScmambaError, match=r"no file .*config\.json"), SEALED.reading(tmp_path):
        pass


def test_other_formats_and_missing_parts_are_told(folder: Path) -> None:
    (folder / ARRAYS).unlink()
    with pytest.raises(ScmambaError, match=f"there is no file .*{ARRAYS}"), SEALED.reading(folder):
        pass
    content = json.loads((folder / "thing.json").read_text())
    (folder / "thing.json").write_text(json.dumps({**content, "format_version": 3}))
    told = "format version 3, this scmamba reads 2"
    with pytest.raises(ScmambaError, match=told), SEALED.reading(folder):
        pass


def test_what_fails_while_reading_is_damage(folder: Path) -> None:
    told = "is damaged or of another format .KeyError: 'y'"
    with pytest.raises(ScmambaError, match=told), SEALED.reading(folder) as (_, arrays):
        arrays["y"]
