"""Tensors from files, without ever running a pickle."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from scmamba._errors import ScmambaError

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_WRAPPERS = ("model_state_dict", "state_dict", "model")


def read_tensors(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Read a state dict from a safetensors file or, with ``weights_only=True``, from a PyTorch one.

    Parameters
    ----------
    path
        A file that ends on .safetensors, .pt, .pth or .bin.

    Returns
    -------
    tensors
        By name, on the CPU. A state dict inside ``{"model_state_dict": ...}`` is taken out.
    left
        Names of entries that are no tensors of the state dict (an epoch, an optimiser).

    Raises
    ------
    ScmambaError
        The file is missing, truncated or damaged, holds anything but tensors and plain values,
        or is no state dict.
    """
    if not path.is_file():
        raise ScmambaError(f"there is no file {path}")
    if path.suffix not in SUFFIXES:
        raise ScmambaError(f"{path} is no weight file; known endings: {', '.join(SUFFIXES)}")
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
    return tensors, (*left, *(str(key) for key in content if key not in tensors))


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of a file, as :func:`read_tensors`; of safetensors, nothing else is
    read.
    """
    if path.suffix != ".safetensors":
        return {name: tuple(tensor.shape) for name, tensor in read_tensors(path)[0].items()}
    try:
        with safe_open(path, "pt") as file:
            names = file.keys()
            return {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _read_safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ScmambaError:
    return ScmambaError(f"{path} is truncated or damaged ({error}); fetch or save it again")


def _read_torch(path: Path) -> Any:
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
