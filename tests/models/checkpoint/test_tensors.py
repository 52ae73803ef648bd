"""Files of weights: what a header or a pickle claims is held against what the file holds."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.models.checkpoint.tensors import read_shapes, read_tensors, save_tensors


def test_tensors_come_back(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1)}
    save_tensors(tensors, tmp_path / "a.safetensors")
    torch.save({"model": tensors, "epoch": 3}, tmp_path / "a.pt")
    for name, left in (("a.safetensors", ()), ("a.pt", ("epoch",))):
        found, others = read_tensors(tmp_path / name)
        assert found.keys() == tensors.keys() and others == left
        assert all(torch.equal(found[key], tensors[key]) for key in tensors)
        assert read_shapes(tmp_path / name) == {"a": (2, 3), "b": ()}


def test_saved_weights_have_the_mode_of_other_files(tmp_path: Path) -> None:
    save_tensors({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    (tmp_path / "a.json").write_text("{}")
    assert len({path.stat().st_mode for path in tmp_path.iterdir()}) == 1


def _refused(path: Path, message: str) -> None:
    with pytest.raises(ScmambaError, match=message) as caught:
        read_tensors(path)
    assert str(path) in str(caught.value)


def test_shapes_that_are_not_stored(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1).expand(10**12)}, path := tmp_path / "a.pt")
    _refused(path, "a claims the shape .1000000000000,., which is more than the file holds")
    torch.save({"a": torch.zeros(10).as_strided((5, 10), (0, 1))}, path)
    _refused(path, "a claims the shape")
    torch.save({"a": torch.empty(10**12, device="meta")}, path)
    _refused(path, "a is not a plain tensor")
    torch.save({"a": torch.sparse_coo_tensor([[0]], [1.0], (10**12,))}, path)
    _refused(path, "a is not a plain tensor|damaged")
    torch.save({"a": torch.empty(10**12, 0)}, path)
    _refused(path, "holds empty tensors: a")


def test_headers_that_claim_more_than_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for shape, end in (([10**12], 4 * 10**12), ([10**12], 8), ([2], 8), ([10**12, 0], 0)):
        entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}
        header = json.dumps({"a": entry}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        _refused(path, "is damaged|empty tensors")
        with pytest.raises(ScmambaError, match=r"a\.safetensors"):
            read_shapes(path)
    path.write_bytes((10**12).to_bytes(8, "little") + b"{}")
    _refused(path, "is damaged")


def test_weights_that_unpack_to_more_than_the_file(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, path := tmp_path / "a.pt")
    with zipfile.ZipFile(path) as plain, zipfile.ZipFile(tmp_path / "b.pt", "w", 8) as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    _refused(tmp_path / "b.pt", "would unpack to 4 MiB")


class _Big:
    def __reduce__(self) -> tuple[type, tuple[int]]:
        return bytearray, (10**12,)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"x", b"PK\3\4", pickle.dumps(_Big()), b"\x80\2" * 99])
def test_files_that_are_no_weights(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    _refused(tmp_path / name, "damaged|objects other than tensors|state dict")


def test_pipes_and_missing_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.pt")
    _refused(tmp_path / "a.pt", "regular file")
    _refused(tmp_path / "b.pt", "there is no file")


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.arange(100.0)}, buffer := io.BytesIO())
    whole, path = buffer.getvalue(), tmp_path / "a.pt"
    for keep in range(0, len(whole), 97):
        path.write_bytes(whole[:keep])
        _refused(path, "damaged|objects other than tensors")
