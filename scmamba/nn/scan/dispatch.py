"""The one place that chooses how an operation is computed.

``SCMAMBA_KERNELS`` in the environment overrides the choice: ``auto`` (compiled loops on a CPU, CUDA
kernels on a CUDA device where they are installed, else PyTorch), ``torch`` (plain PyTorch for every
operation on every device) or ``cuda`` (an error where the CUDA kernels cannot run). The compiled
loops are built by numba; the CUDA kernels are those of the packages mamba-ssm and causal-conv1d.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba.nn.scan import cuda
from scmamba.nn.scan.cpu.lanes import LANES

Operation = Literal["mamba2", "convolution", "selective_scan", "linear"]
Implementation = Literal["torch", "compiled", "onednn", "cuda"]


class Choices(NamedTuple):
    """What an operation is, and its fastest implementation on each kind of device.

    Attributes
    ----------
    description
        In the words of ``scmamba info``.
    on_cpu, on_cuda
        Fastest implementation; ``"torch"`` takes over where that one cannot run.
    """

    description: str
    on_cpu: Implementation
    on_cuda: Implementation


OPERATIONS: dict[Operation, Choices] = {
    "mamba2": Choices("convolution, scan, gate and norm of Mamba-2", "compiled", "cuda"),
    "convolution": Choices("convolution of Mamba-1", "compiled", "torch"),
    "selective_scan": Choices("selective scan of Mamba-1", "compiled", "cuda"),
    "linear": Choices("projections of Mamba-2", "onednn", "torch"),
}
"""Every operation with more than one implementation."""

_VARIABLE = "SCMAMBA_KERNELS"
_WISHES = ("auto", "torch", "cuda")
_INSTALL = "pip install 'scmamba[cuda]' (needs an NVIDIA card and its CUDA toolkit)"
_MIN_ROWS = 128  # of a linear layer: with fewer, setting oneDNN up costs more than it saves
_X86 = platform.machine().lower() in ("x86_64", "amd64")


def implementation(
    operation: Operation,
    tensors: Iterable[Tensor],
    *,
    vectors: Sequence[int] = (),
    cuda_fits: bool = True,
) -> Implementation:
    """Choose how ``operation`` is computed on these tensors.

    Parameters
    ----------
    operation
        A key of :data:`OPERATIONS`.
    tensors
        Inputs of the operation, all on one device.
    vectors
        Sizes that the compiled loops cut into SIMD vectors; the loops run only if each is a
        multiple of ``LANES`` (8 with AVX2, 16 with AVX-512).
    cuda_fits
        Whether the CUDA kernels can compute this case at all.

    Returns
    -------
    str
        ``"compiled"`` or ``"onednn"`` on a CPU for float32 tensors, ``"cuda"`` on a CUDA device for
        tensors that are not float64, and ``"torch"`` in all other cases.

    Raises
    ------
    ScmambaError
        ``SCMAMBA_KERNELS`` has an unknown value, or asks for kernels that cannot run here.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.scan.dispatch import implementation
    >>> implementation("convolution", [torch.zeros(2, 5, 64)], vectors=[64])
    'compiled'
    >>> implementation("convolution", [torch.zeros(2, 5, 64).double()], vectors=[64])
    'torch'
    """
    wish = _wish()
    if wish == "torch":
        return "torch"
    given = list(tensors)
    device, dtypes = given[0].device, {t.dtype for t in given}
    if wish == "cuda" and (problem := _cuda_problem(device)):
        raise ScmambaError(
            f"{_VARIABLE}=cuda, but {problem}. Install the kernels with {_INSTALL} and use a CUDA "
            f"device, or set {_VARIABLE}=auto or torch"
        )
    choices = OPERATIONS[operation]
    fits = choices.on_cuda == "cuda" and cuda_fits and torch.float64 not in dtypes
    if fits and _cuda_problem(device) is None:
        return "cuda"
    if wish == "auto" and device.type == "cpu" and dtypes == {torch.float32}:
        if choices.on_cpu == "compiled" and all(size % LANES == 0 for size in vectors):
            return "compiled"
        if choices.on_cpu == "onednn" and _onednn_is_faster(given[0]):
            return "onednn"
    return "torch"


def explain() -> str:
    """Say in one sentence which kernels run on the best device of this machine, and why.

    Examples
    --------
    >>> from scmamba.nn.scan.dispatch import explain
    >>> print(explain())  # doctest: +SKIP
    compiled loops on the CPU, because PyTorch sees no CUDA device
    """
    wish = _wish()
    if wish == "torch":
        return f"PyTorch, because {_VARIABLE}=torch"
    if not torch.cuda.is_available():
        because = "PyTorch sees no CUDA device"
        if wish == "cuda":
            return f"none, because {because}; set {_VARIABLE} to auto or torch"
        return f"compiled loops on the CPU, because {because}"
    problem = cuda.import_problem()
    if problem is None:
        return "CUDA kernels of mamba-ssm and causal-conv1d, because both are installed"
    if wish == "cuda":
        return f"none, because {problem}; set {_VARIABLE} to auto or torch, or {_INSTALL}"
    return f"PyTorch on CUDA, because {problem}; for the faster kernels: {_INSTALL}"


def describe_operations(device: torch.device) -> dict[str, str]:
    """Say for each operation how it is computed on ``device``.

    Parameters
    ----------
    device
        CPU, CUDA or any other device.

    Returns
    -------
    dict
        Description of each operation, and its implementation in words.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.scan.dispatch import describe_operations
    >>> list(describe_operations(torch.device("cpu")))[2]
    'selective scan of Mamba-1'
    """
    words: dict[Implementation, str] = {
        "torch": "PyTorch",
        "compiled": f"compiled loops (numba); PyTorch for float64 and sizes not in {LANES}s",
        "onednn": f"oneDNN on several threads; plain PyTorch below {_MIN_ROWS} tokens",
        "cuda": "CUDA kernels; PyTorch for float64",
    }
    example = torch.empty(_MIN_ROWS, 1, device=device)
    found = {}
    for operation, choices in OPERATIONS.items():
        try:
            found[choices.description] = words[implementation(operation, [example])]
        except ScmambaError as error:
            found[choices.description] = f"fails: {error}"
    return found


def _wish() -> str:
    wish = os.environ.get(_VARIABLE, "auto")
    if wish not in _WISHES:
        raise ScmambaError(f"{_VARIABLE}={wish!r}; allowed: {', '.join(_WISHES)}")
    return wish


def _cuda_problem(device: torch.device) -> str | None:
    """Say why the CUDA kernels cannot run on ``device``; None if they can."""
    if device.type != "cuda":
        return f"the device is {device.type!r}, not a CUDA one"
    return cuda.import_problem()


def _onednn_is_faster(input: Tensor) -> bool:
    """Whether oneDNN multiplies ``input`` (..., features) faster than PyTorch's own choice."""
    return (
        _X86
        and torch.get_num_threads() > 1
        and input.numel() >= _MIN_ROWS * input.shape[-1]
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
    )
