"""Reading and writing of tensors without pickle."""

from __future__ import annotations

import math
import os
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba._read import check_regular, reading

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_WRAPPERS = ("model_state_dict", "state_dict", "model")
_SPARE = 2**20  # bytes that a zip archive may unpack to beyond its own size


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file with the default permissions of new files.

    The library itself would make the file readable only by its owner.
    """
    path.touch()
    mode = path.stat().st_mode & 0o777
    save_file(dict(tensors), path)
    os.chmod(path, mode)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Read a state dict from a safetensors or PyTorch file (with ``weights_only=True``).

    Parameters
    ----------
    path
        Path of a .safetensors, .pt, .pth or .bin file.

    Returns
    -------
    tensors
        Tensors by name, on the CPU. A state dict inside ``{"model_state_dict": ...}`` is unwrapped.
    left
        Names of entries that are not tensors of the state dict (such as epoch or optimizer).

    Raises
    ------
    ScmambaError
        If the file is missing, truncated or damaged, holds objects other than tensors and plain
        values, or is not a state dict.
    """
    check_regular(path)
    if path.suffix not in SUFFIXES:
        raise ScmambaError(
            f"{path} is not a file of weights; allowed extensions: {', '.join(SUFFIXES)}"
        )
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    left: list[str] = []
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            left = [str(key) for key in content if key != wrapper]
            content = content[wrapper]
            break
    if not isinstance(content, dict):
        raise ScmambaError(f"{path} holds a {type(content).__name__}; a state dict is needed")
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if not tensors:
        raise ScmambaError(f"{path} holds no tensors by name; a state dict is needed")
    _check_stored(tensors, path)
    return tensors, (*left, *(str(key) for key in content if key not in tensors))


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shapes of the tensors of a file; from safetensors only the header is read."""
    if path.suffix != ".safetensors":
        return {name: tuple(tensor.shape) for name, tensor in read_tensors(path)[0].items()}
    check_regular(path)
    with reading(path, damage=(SafetensorError,)), safe_open(path, "pt") as file:
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    if empty := [name for name, shape in shapes.items() if math.prod(shape) == 0]:
        raise _empty(path, empty)
    return shapes


def _read_safetensors(path: Path) -> Any:
    with reading(path, damage=(SafetensorError,)):
        return load_file(path)


def _check_stored(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors that claim more values than the file holds, before they are copied."""
    size, stored = path.stat().st_size, 0
    storages: set[int] = set()
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise ScmambaError(
                f"{path}: {name} is not a plain tensor (layout {tensor.layout}, {tensor.device}); "
                "save it dense and on the CPU"
            )
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in storages:
            storages.add(storage.data_ptr())
            stored += storage.nbytes()
        if tensor.numel() * tensor.element_size() > storage.nbytes() or stored > size:
            raise ScmambaError(
                f"{path}: {name} claims the shape {tuple(tensor.shape)}, which is more than the "
                "file holds; download the file again, from a source you trust"
            )
    if empty := [name for name, tensor in tensors.items() if tensor.numel() == 0]:
        raise _empty(path, empty)


def _empty(path: Path, names: list[str]) -> ScmambaError:
    return ScmambaError(
        f"{path} holds empty tensors: {', '.join(names[:5])}; use the whole checkpoint"
    )


def _check_zip(path: Path) -> None:
    """Refuse an archive of weights that would unpack to more than its own size."""
    if not zipfile.is_zipfile(path):
        return
    with reading(path, damage=(NotImplementedError, ValueError)), zipfile.ZipFile(path) as packed:
        unpacked = sum(entry.file_size for entry in packed.infolist())
    if unpacked > path.stat().st_size + _SPARE:
        raise ScmambaError(
            f"{path} would unpack to {unpacked / 2**20:.0f} MiB; weights are stored unpacked: "
            "download the file again, from a source you trust"
        )


def _read_torch(path: Path) -> Any:
    _check_zip(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ScmambaError(
            f"{path} holds Python objects other than tensors, or is damaged. scmamba never runs "
            "what a pickle asks for. Ask its author for a plain state dict or a .safetensors file, "
            f"or fetch it again ({str(error).splitlines()[0]})"
        ) from error
    except Exception as error:  # a damaged archive fails in many ways
        raise ScmambaError(
            f"{path} is truncated or damaged ({type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0]}); fetch it again"
        ) from error
