"""Device and precision of computation."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from scmamba._errors import ScmambaError
from scmamba._settings import settings


def resolve_device(device: str | torch.device | None = None) -> torch.device:
    """Return the PyTorch device for a device name.

    Parameters
    ----------
    device
        ``"auto"`` (CUDA, then MPS, then CPU), or a PyTorch device such as ``"cpu"`` or
        ``"cuda:1"``; None for ``settings.device``.

    Raises
    ------
    ScmambaError
        If there is no such device, or it is not available.

    Examples
    --------
    >>> from scmamba.models import resolve_device
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    wish = settings.device if device is None else device
    if wish == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(wish)
    except (RuntimeError, TypeError) as error:
        raise ScmambaError(
            f"device={wish!r} is not a device; give 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'"
        ) from error
    here = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }.get(found.type, 0)
    if (found.index or 0) >= here:
        raise ScmambaError(
            f"device={str(wish)!r} is not available (PyTorch sees {torch.cuda.device_count()} CUDA "
            "devices); give 'auto' or 'cpu'"
        )
    return found


def precision(device: torch.device) -> torch.dtype | None:
    """Return the dtype of matrix products on ``device``; None for float32 throughout.

    bfloat16 is faster only on NVIDIA cards that support it in hardware (compute capability 8 or
    later, with or without the kernels of mamba-ssm); other processors are several times slower with
    it. Scans, norms and losses stay in float32. ``settings.precision`` overrides the choice.
    """
    wish = settings.precision
    if wish == "auto":
        pays = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if pays else None
    return torch.bfloat16 if wish == "bfloat16" else None


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Return a context manager that computes in :func:`precision`."""
    dtype = precision(device)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)
