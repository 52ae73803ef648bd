"""Which device a model goes to, and in which precision it computes there."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from scmamba._errors import ScmambaError
from scmamba._settings import settings


def resolve_device(device: str | torch.device | None = None) -> torch.device:
    """The device that ``device`` means; None asks ``settings.device``.

    Parameters
    ----------
    device
        ``"auto"`` (CUDA, then MPS, then CPU), or a PyTorch device: ``"cpu"``, ``"cuda:1"``.

    Raises
    ------
    ScmambaError
        The name is not a device, or that device is not available.
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
            f"device={wish!r} is no device; give 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'"
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
    """The dtype to which matrix products are rounded on ``device``; None: float32 throughout.

    bfloat16 pays on NVIDIA cards that multiply it in hardware (compute capability 8 and later, with
    mamba-ssm's kernels or without) and nowhere else: processors without such units are several
    times slower with it. Scans, norms and losses stay in float32. ``settings.precision`` overrides.
    """
    wish = settings.precision
    if wish == "auto":
        pays = device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if pays else None
    return torch.bfloat16 if wish == "bfloat16" else None


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Compute in :func:`precision` for the time of the block."""
    dtype = precision(device)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)
