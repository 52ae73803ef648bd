"""Damage to files of every kind: bytes, fields of JSON, values of tables, HDF5 and archives."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Rng = np.random.Generator

WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    2**31,
    10**12,
    1e308,
    float("nan"),
    "",
    "x",
    "../../etc/passwd",
    "nul\0byte",
    [],
    [[]],
    {},
    {"a": 1},
    "9" * 5000,
)
"""Values that a field may be given in place of its own."""

TOKENS = (
    b"",
    b"NA",
    b"-1",
    b"0",
    b"1e999",
    b"9" * 400,
    b"\xff\xfe",
    b"\0",
    b"../x",
    b"'\"",
    b"<X>",
)
TEXT = {".fa", ".csv", ".tsv", ".vcf", ".yaml", ".mtx", ".txt", ".fai"}


def mutate(path: Path, rng: Rng) -> tuple[Path, str]:
    """Damage ``path``, or one file of it where it is a folder.

    Returns
    -------
    The file that was damaged, and how.
    """
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    file = files[int(rng.integers(len(files)))]
    ways: list[Callable[[Path, Rng], str]] = [_bytes, _bytes, _truncated]
    if path.is_dir():
        ways += [_missing, lambda p, r: _replaced(p, files, r)]
    kind = file.suffix.lower()
    if kind == ".json" or file.name.startswith((".z", "zarr")):
        ways += [_json] * 6
    elif kind in TEXT:
        ways += [_text] * 4
    elif kind in (".h5ad", ".h5", ".h5mu"):
        ways += [_hdf5] * 10
    elif kind == ".safetensors":
        ways += [_safetensors] * 4
    elif kind in (".pt", ".bin", ".ckpt"):
        ways += [_pickle, _members]
    elif kind == ".zip":
        ways += [_members] * 3
    elif ".tar" in file.name:
        ways += [_tar] * 3
    return file, ways[int(rng.integers(len(ways)))](file, rng)


def _span(size: int, rng: Rng) -> tuple[int, int]:
    start = int(rng.integers(size + 1))
    return start, min(size, start + int(2 ** rng.uniform(0, 10)))


def _bytes(file: Path, rng: Rng) -> str:
    data = bytearray(file.read_bytes())
    start, stop = _span(len(data), rng)
    how = ("flip", "random", "zeros", "ones", "insert", "delete", "repeat", "append")[
        int(rng.integers(8))
    ]
    if how == "flip" and data:
        for _ in range(int(rng.integers(1, 4))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif how in ("random", "zeros", "ones"):
        fill = {"random": rng.bytes(stop - start), "zeros": bytes(stop - start)}
        data[start:stop] = fill.get(how, b"\xff" * (stop - start))
    elif how == "insert":
        data[start:start] = rng.bytes(stop - start)
    elif how == "delete":
        del data[start:stop]
    elif how == "repeat":
        data[start:start] = data[start:stop]
    else:
        data += rng.bytes(16)
    file.write_bytes(data)
    return how


def _truncated(file: Path, rng: Rng) -> str:
    data = file.read_bytes()
    file.write_bytes(data[: int(rng.integers(len(data) + 1)) if rng.random() < 0.8 else 0])
    return "truncate"


def _missing(file: Path, rng: Rng) -> str:
    file.unlink()
    return "remove file"


def _replaced(file: Path, files: list[Path], rng: Rng) -> str:
    other = files[int(rng.integers(len(files)))]
    shutil.copy(other, file) if other != file else file.write_bytes(b"")
    return "replace file"


def _wrong(rng: Rng) -> Any:
    if rng.random() < 0.05:
        deep: Any = 1
        for _ in range(900):
            deep = [deep]
        return deep
    return WRONG[int(rng.integers(len(WRONG)))]


def _change(content: Any, rng: Rng) -> Any:
    """A JSON value with one entry changed, left out, or given twice the name."""
    places: list[tuple[Any, Any]] = []
    todo = [content]
    while todo:
        part = todo.pop()
        keys = list(part) if isinstance(part, dict) else range(len(part))
        places += [(part, key) for key in keys]
        todo += [part[key] for key in keys if isinstance(part[key], dict | list)]
    if not places:
        return _wrong(rng)
    part, key = places[int(rng.integers(len(places)))]
    if rng.random() < 0.25:
        del part[key]
    else:
        part[key] = _wrong(rng)
    return content


def _json(file: Path, rng: Rng) -> str:
    try:
        content = json.loads(file.read_text())
    except ValueError:
        return _bytes(file, rng)
    file.write_text(json.dumps(_change(content, rng) if rng.random() < 0.95 else _wrong(rng)))
    return "JSON field"


def _text(file: Path, rng: Rng) -> str:
    lines = file.read_bytes().split(b"\n")
    i = int(rng.integers(len(lines)))
    mark = b"\t" if b"\t" in lines[i] else b": " if b": " in lines[i] else b","
    fields = lines[i].split(mark)
    fields[int(rng.integers(len(fields)))] = TOKENS[int(rng.integers(len(TOKENS)))]
    lines[i] = mark.join(fields)
    if rng.random() < 0.2:
        lines.insert(i, lines[int(rng.integers(len(lines)))])
    file.write_bytes(b"\n".join(lines))
    return "text field"


def _hdf5(file: Path, rng: Rng) -> str:
    with h5py.File(file, "r+", locking=False) as store:
        names: list[str] = []
        store.visit(names.append)
        name = names[int(rng.integers(len(names)))]
        item = store[name]
        how = int(rng.integers(7))
        if how == 0 and len(item.attrs):
            keys = list(item.attrs)
            key = keys[int(rng.integers(len(keys)))]
            if rng.random() < 0.5:
                del item.attrs[key]
            else:
                item.attrs[key] = (0, -1, "x", [1, 2, 3])[int(rng.integers(4))]
            return "HDF5 attribute"
        if how == 1 or not isinstance(item, h5py.Dataset) or item.shape == ():
            del store[name]
            return "HDF5 item removed"
        values = item[()]
        attrs = dict(item.attrs)
        if how == 2:
            values = values[: len(values) // 2]
        elif how == 3:
            values = np.concatenate([values, values[:1]])
        elif how == 4:
            values = np.array([b"text"] * len(values))
        elif values.dtype.kind in "iuf" and values.size:
            most = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 0
            least = np.iinfo(values.dtype).min if values.dtype.kind in "iu" else 0
            bad = (least, most, most // 2, 0, 1)[int(rng.integers(5))]
            if values.dtype.kind == "f":
                bad = (np.nan, np.inf, -1.0, 1e38, 0.5)[int(rng.integers(5))]
            flat = values.reshape(-1)
            flat[int(rng.integers(flat.size))] = bad
        else:
            values = np.arange(len(values), dtype=float)
        del store[name]
        store[name] = values
        store[name].attrs.update(attrs)
    return "HDF5 values"


def _safetensors(file: Path, rng: Rng) -> str:
    data = file.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    if rng.random() < 0.2:
        file.write_bytes(struct.pack("<Q", int(2 ** rng.uniform(0, 63))) + data[8:])
        return "safetensors size"
    header = json.dumps(_change(json.loads(data[8 : 8 + size]), rng)).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + size :])
    return "safetensors header"


class _Call:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('code of a pickle was run')",))


def _pickle(file: Path, rng: Rng) -> str:
    kinds: tuple[Any, ...] = (_Call(), {"a": 1}, [1, 2], "text", {"state_dict": {"x": _Call()}})
    file.write_bytes(pickle.dumps(kinds[int(rng.integers(len(kinds)))]))
    return "pickle"


def _members(file: Path, rng: Rng) -> str:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except zipfile.BadZipFile:
        return _bytes(file, rng)
    names, contents = _shuffled(members, rng)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in zip(names, contents, strict=True):
            archive.writestr(name, content)
    return "zip members"


def _shuffled(members: list[tuple[str, bytes]], rng: Rng) -> tuple[list[str], list[bytes]]:
    names, contents = [n for n, _ in members], [c for _, c in members]
    i, j = rng.integers(len(members), size=2)
    how = int(rng.integers(4))
    if how == 0:
        contents[i], contents[j] = contents[j], contents[i]
    elif how == 1:
        del names[i], contents[i]
    elif how == 2:
        names[i] = ("../out", "/tmp/out", names[j], "a\0b", "")[int(rng.integers(5))] or "x/"
    else:
        contents[i] = rng.bytes(64)
    return names, contents


def _tar(file: Path, rng: Rng) -> str:
    mode = "gz" if file.name.endswith("gz") else ""
    try:
        with tarfile.open(file) as archive:
            plain = [info for info in archive.getmembers() if info.isfile()]
            members = [(info.name, archive.extractfile(info).read()) for info in plain]  # type: ignore[union-attr]
    except (tarfile.TarError, EOFError, OSError):
        return _bytes(file, rng)
    names, contents = _shuffled(members, rng)
    with tarfile.open(file, f"w:{mode}") as archive:
        for name, content in zip(names, contents, strict=True):
            info = tarfile.TarInfo(name.replace("\0", ""))
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if rng.random() < 0.3:
            link = tarfile.TarInfo("link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
    return "tar members"
