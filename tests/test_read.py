"""Files that nobody vouches for are read within limits, and every fault names the file."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import socket
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from scmamba import ScmambaError
from scmamba._read import (
    Fields,
    check_regular,
    check_yaml,
    parse_json,
    read_bytes,
    read_json,
    read_json_value,
    read_text,
    reading,
)


def test_an_object_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for mark in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(mark + '{"a": [1, {"b": "ü"}]}'.encode())
        assert read_json(path) == {"a": [1, {"b": "ü"}]}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "not JSON"),
        (b'{"a": ', "not JSON"),
        (b'{"a": "\xff\xfe"}', "damaged"),
        (b"[1, 2]", "holds a list"),
        (b"null", "holds null"),
        (b"3", "holds a number"),
        (b"[" * 100_000 + b"]" * 100_000, "nesting is too deep"),
        (b'{"a": ' + b"[" * 70 + b"]" * 70 + b"}", "deeper than 64"),
        (b'{"a": ' + b"9" * 5000 + b"}", "5000 digits"),
        (b'{"a": 1' + b"0" * 45 + b"}", "46 digits"),
        (b"{" + b" " * (33 * 2**20) + b"}", "larger than 32 MiB"),
    ],
)
def test_json_that_cannot_be_used(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ScmambaError, match=word) as caught:
        read_json(path)
    assert str(path) in str(caught.value)


def test_nesting_within_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" * 60 + "]" * 60)
    assert len(read_json_value(path)) == 1


@pytest.mark.parametrize("read", [read_json, read_text, read_bytes, check_regular])
def test_only_regular_files_are_read(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    link = tmp_path / "link"
    link.symlink_to("/dev/zero")
    for path in (pipe, tmp_path / "socket", link, Path("/dev/zero"), tmp_path):
        with pytest.raises(ScmambaError, match="regular file") as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_a_missing_and_a_forbidden_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ScmambaError, match=r"there is no file .*a\.json"):
        read_json(path)
    with pytest.raises(ScmambaError, match="may not be read"), reading(path):
        raise PermissionError(13, "Permission denied", str(path))
    with pytest.raises(ScmambaError, match=r"there is no file .*a\.json.below"):
        path.write_text("{}")
        read_json(path / "below")


def _gzip(path: Path) -> None:
    path.write_bytes(gzip.compress(os.urandom(999))[:-12])
    gzip.decompress(path.read_bytes())


def _bad_gzip(path: Path) -> None:
    path.write_bytes(b"no gzip")
    gzip.GzipFile(path).read(1)


def _zlib(path: Path) -> None:
    zlib.decompress(b"no zlib")


def _xz(path: Path) -> None:
    lzma.decompress(b"no xz")


def _zip(path: Path) -> None:
    path.write_bytes(b"no zip")
    zipfile.ZipFile(path)


def _tar(path: Path) -> None:
    path.write_bytes(b"no tar" * 999)
    tarfile.TarFile(path)


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = [1, 2]
    path.write_bytes(path.read_bytes()[:500])
    h5py.File(path)


def _text(path: Path) -> None:
    b"\xff".decode()


def _memory(path: Path) -> None:
    bytearray(2**62)


@pytest.mark.parametrize(
    "damage", [_gzip, _bad_gzip, _zlib, _xz, _zip, _tar, _hdf5, _text, _memory]
)
def test_damage_is_one_error_with_the_path(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "some file"
    with pytest.raises(ScmambaError, match="damaged|memory") as caught, reading(path):
        damage(path)
    assert str(path) in str(caught.value)
    assert "copy or download it again" in str(caught.value)


def test_other_exceptions_are_damage_only_where_asked(tmp_path: Path) -> None:
    with pytest.raises(KeyError), reading(tmp_path):
        raise KeyError("x")
    with pytest.raises(ScmambaError, match="damaged"), reading(tmp_path, damage=(KeyError,)):
        raise KeyError("x")


def test_errors_from_inside_name_the_file_once(tmp_path: Path) -> None:
    with pytest.raises(ScmambaError) as caught, reading(tmp_path / "model.json"):
        raise ScmambaError("d_model=0; give 1 or more")
    assert str(caught.value) == f"{tmp_path / 'model.json'}: d_model=0; give 1 or more"
    with pytest.raises(ScmambaError) as caught, reading(tmp_path / "model.json"):
        raise ScmambaError("model.json is odd")
    assert str(caught.value) == "model.json is odd"


def test_text_is_json_of_its_source() -> None:
    assert parse_json(b'{"a": 1}', "https://example.org") == {"a": 1}
    with pytest.raises(ScmambaError, match=r"https://example\.org is not JSON"):
        parse_json("<html>", "https://example.org")


WHOLE = {
    "integer": 3,
    "number": 2.5,
    "boolean": False,
    "string": "abc",
    "integers": [1, 2],
    "strings": ["a", "b"],
    "values": [1, "a"],
}
ODD = [True, 3, 2.5, -1, 10**19, float("nan"), "abc", [], [1], [1.5], ["a"], [None], {}]


@pytest.mark.parametrize("kind", [*WHOLE, "nested"])
def test_entries_have_their_type_or_are_refused(kind: str) -> None:
    takes = getattr(Fields({"a": 1}, "some.json"), kind)
    with pytest.raises(ScmambaError, match=r"some\.json: x is missing"):
        takes("x")
    for value in [*ODD, *WHOLE.values()]:
        try:
            found = getattr(Fields({"x": value}, "some.json"), kind)("x")
        except ScmambaError as error:
            assert str(error).startswith("some.json: x="), error
            assert json.dumps(value) in str(error)
        else:
            assert found == value or found.content == value


@pytest.mark.parametrize("kind", WHOLE)
def test_entries_are_returned_and_defaults_stand_for_null(kind: str) -> None:
    fields = Fields({"x": WHOLE[kind], "y": None}, "some.json")
    assert getattr(fields, kind)("x") == WHOLE[kind]
    assert getattr(fields, kind)("y", WHOLE[kind]) == WHOLE[kind]
    assert fields.has("x") and not fields.has("y") and not fields.has("z")
    with pytest.raises(ScmambaError, match="y=null"):
        getattr(fields, kind)("y")


def test_bounds_and_choices_are_named() -> None:
    fields = Fields({"n": 7, "word": "up", "inner": {"n": -1, "list": [1, 9]}}, "some.json")
    with pytest.raises(ScmambaError, match="n=7; a whole number from 0 to 5"):
        fields.integer("n", low=0, high=5)
    with pytest.raises(ScmambaError, match='word="up"; one of left, right'):
        fields.string("word", choices=("left", "right"))
    inner = fields.nested("inner")
    with pytest.raises(ScmambaError, match=r"some\.json: inner\.n=-1; a whole number of at least"):
        inner.integer("n", low=0)
    with pytest.raises(ScmambaError, match=r"inner\.list=\[1, 9\]; a list of whole numbers from"):
        inner.integers("list", low=0, high=5)
    with pytest.raises(ScmambaError, match="some.json holds a list"):
        Fields.of([], "some.json")


def test_yaml_that_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "options.yaml"
    path.write_text("labels: [a, b]\nmodel: {path: x}\n")
    check_yaml(path)
    bomb = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))]
    for text, word in [
        ("\n".join(bomb), "repeats a part of itself"),
        ("a: " + "[" * 100 + "]" * 100, "deeper than 64"),
        ("a: [", "damaged"),
        ("a: \0", "damaged"),
        ("a: " + "x" * 2**16, "larger than"),
    ]:
        path.write_text(text)
        with pytest.raises(ScmambaError, match=word) as caught:
            check_yaml(path)
        assert str(path) in str(caught.value)
