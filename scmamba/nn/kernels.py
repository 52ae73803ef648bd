"""The one place that chooses how an operation computes: PyTorch, compiled loops, CUDA kernels.

``SCMAMBA_KERNELS`` in the environment overrides the choice: ``auto`` (compiled loops on a CPU, CUDA
kernels on a CUDA device where they are installed, else PyTorch), ``torch`` (PyTorch alone, on every
device) or ``cuda`` (an error where the CUDA kernels cannot run). The compiled loops are numba's;
the CUDA kernels are those of the packages mamba-ssm and causal-conv1d, imported when first used.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba.nn._lanes import LANES

Backend = Literal["torch", "cuda"]
Operation = Literal["mamba2", "convolution", "selective_scan"]
Implementation = Literal["torch", "compiled", "cuda"]

OPERATIONS: dict[Operation, str] = {
    "mamba2": "convolution, scan, gate and norm of Mamba-2",
    "convolution": "convolution of Mamba-1",
    "selective_scan": "selective scan of Mamba-1",
}
"""What is chosen for, with the words that ``scmamba info`` uses."""

_ON_CUDA = ("mamba2", "selective_scan")
_VARIABLE = "SCMAMBA_KERNELS"
_CHOICES = ("auto", "torch", "cuda")
_INSTALL = "pip install 'scmamba[cuda]' (needs an NVIDIA card and its CUDA toolkit)"


def backend(device: torch.device | str) -> Backend:
    """Which kernels run a mixer on ``device``.

    Raises
    ------
    ScmambaError
        If ``SCMAMBA_KERNELS`` is not a known choice, or asks for kernels that cannot run here.
    """
    wish, kind = _wish(), torch.device(device).type
    if wish == "torch" or (wish == "auto" and kind != "cuda"):
        return "torch"
    problem = _problem() if kind == "cuda" else f"the device is {kind!r}, not a CUDA one"
    if problem is None:
        return "cuda"
    if wish == "cuda":
        raise ScmambaError(
            f"{_VARIABLE}=cuda, but {problem}. Install the kernels with {_INSTALL} and use a CUDA "
            f"device, or set {_VARIABLE}=auto or torch"
        )
    return "torch"


def implementation(
    operation: Operation,
    tensors: Iterable[Tensor],
    *,
    vectors: Sequence[int] = (),
    kernels_fit: bool = True,
) -> Implementation:
    """Choose how ``operation`` computes on these tensors.

    Parameters
    ----------
    operation
        A key of ``OPERATIONS``.
    tensors
        What is computed from, all on one device.
    vectors
        Sizes that compiled loops walk through in whole vectors; they run where each is a multiple
        of ``LANES`` (8 with AVX2, 16 with AVX-512).
    kernels_fit
        Whether the CUDA kernels can compute this case at all.

    Returns
    -------
    ``"compiled"`` on a CPU, for float32 tensors; ``"cuda"`` on a CUDA device, for tensors that are
    not float64; ``"torch"`` in all other cases.

    Raises
    ------
    ScmambaError
        If ``SCMAMBA_KERNELS`` is not a known choice, or asks for kernels that cannot run here.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.kernels import implementation
    >>> implementation("convolution", [torch.zeros(2, 5, 64)], vectors=[64])
    'compiled'
    >>> implementation("convolution", [torch.zeros(2, 5, 64).double()], vectors=[64])
    'torch'
    """
    given = list(tensors)
    device = given[0].device
    known = kernels_fit and all(t.dtype != torch.float64 for t in given)
    if backend(device) == "cuda" and known and operation in _ON_CUDA:
        return "cuda"
    even = all(size % LANES == 0 for size in vectors)
    single = all(t.dtype == torch.float32 for t in given)
    if _wish() != "torch" and device.type == "cpu" and even and single:
        return "compiled"
    return "torch"


def explain() -> str:
    """Say in one sentence which kernels run on the best device of this machine, and why."""
    wish = _wish()
    if wish == "torch":
        return f"PyTorch, because {_VARIABLE}=torch"
    if not torch.cuda.is_available():
        because = "PyTorch sees no CUDA device"
        fix = f"; {_VARIABLE}=cuda will fail: set it to auto or torch" if wish == "cuda" else ""
        which = "PyTorch" if wish == "cuda" else "compiled loops on the CPU"
        return f"{which}, because {because}{fix}"
    problem = _problem()
    if problem is None:
        return (
            "CUDA kernels of mamba-ssm and causal-conv1d, because a CUDA device and both are there"
        )
    return f"PyTorch on CUDA, because {problem}; for the faster kernels: {_INSTALL}"


def conv_scan(
    xbc: Tensor,
    dt: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    A: Tensor,
    D: Tensor,
    *,
    sizes: tuple[int, int, int],
    chunk_size: int,
    reverse: bool = False,
) -> Tensor:
    """Depthwise convolution, SiLU and scan by the CUDA kernels.

    Parameters
    ----------
    xbc
        (batch, L, conv_dim) input of the convolution, 0 at padding.
    dt
        (batch, L, heads) step sizes after softplus, 0 at padding.
    weight, bias
        (conv_dim, 1, width) and (conv_dim,) of the depthwise convolution.
    A, D
        (heads,) decay rates and skip connection.
    sizes
        headdim, ngroups, d_state.
    chunk_size
        Chunk of the scan.
    reverse
        Run from the last position to the first. The kernels are causal, so the input is flipped;
        padding that comes to lie in front is zero and does nothing.

    Returns
    -------
    y
        (batch, L, heads, headdim).
    """
    headdim, ngroups, d_state = sizes
    convolve, scan = _load()
    if reverse:
        xbc, dt = xbc.flip(1), dt.flip(1)
    # channels may come last only where eight of them always lie together
    last = xbc.shape[-1] % 8 == 0
    channels = xbc.contiguous().transpose(1, 2) if last else xbc.transpose(1, 2).contiguous()
    xbc = convolve(channels, weight.squeeze(1), bias, activation="silu").transpose(1, 2)
    state = ngroups * d_state
    x, B, C = xbc.split([xbc.shape[-1] - 2 * state, state, state], -1)
    y = scan(
        x.unflatten(-1, (-1, headdim)),
        dt,
        A,
        B.unflatten(-1, (ngroups, d_state)),
        C.unflatten(-1, (ngroups, d_state)),
        chunk_size=chunk_size,
        D=D,
    )
    return y.flip(1) if reverse else y


def selective_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, reverse: bool = False
) -> tuple[Tensor, Tensor]:
    """Selective scan of Mamba-1 by the CUDA kernel, from a state of zeros.

    Arguments and results, y and the last state, as in
    :func:`scmamba.nn.selective_scan.selective_scan`; the kernel is causal, so ``reverse`` flips.
    """
    x, dt, B, C = (t.flip(1) if reverse else t for t in (x, dt, B, C))
    x, dt, B, C = (t.mT.contiguous() for t in (x, dt, B, C))
    y, state = _load_selective()(x, dt, A.contiguous(), B, C, D, return_last_state=True)
    return (y.mT.flip(1) if reverse else y.mT), state


def _wish() -> str:
    wish = os.environ.get(_VARIABLE, "auto")
    if wish not in _CHOICES:
        raise ScmambaError(f"{_VARIABLE}={wish!r}; allowed: {', '.join(_CHOICES)}")
    return wish


@functools.cache
def _load() -> tuple[Any, Any]:
    convolution = importlib.import_module("causal_conv1d")
    scan = importlib.import_module("mamba_ssm.ops.triton.ssd_combined")
    return convolution.causal_conv1d_fn, scan.mamba_chunk_scan_combined


@functools.cache
def _load_selective() -> Any:
    return importlib.import_module("mamba_ssm.ops.selective_scan_interface").selective_scan_fn


@functools.cache
def _problem() -> str | None:
    """What keeps the CUDA kernels from being used, if anything."""
    try:
        _load()
        _load_selective()
    except Exception as error:  # a broken build fails in many ways, and PyTorch can step in
        return f"mamba-ssm and causal-conv1d cannot be imported ({type(error).__name__}: {error})"
    return None
