"""The CUDA kernels of mamba-ssm and causal-conv1d, imported when they are first used."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from torch import Tensor


@functools.cache
def import_problem() -> str | None:
    """Say why the kernels cannot be imported; None if they can."""
    try:
        mamba2_kernels()
        mamba1_kernel()
    except Exception as error:  # a broken build fails in many ways, and PyTorch can take over
        return f"mamba-ssm and causal-conv1d cannot be imported ({type(error).__name__}: {error})"
    return None


@functools.cache
def mamba2_kernels() -> tuple[Any, Any]:
    """``causal_conv1d_fn`` and ``mamba_chunk_scan_combined``."""
    convolution = importlib.import_module("causal_conv1d")
    scan = importlib.import_module("mamba_ssm.ops.triton.ssd_combined")
    return convolution.causal_conv1d_fn, scan.mamba_chunk_scan_combined


@functools.cache
def mamba1_kernel() -> Any:
    """``selective_scan_fn``."""
    return importlib.import_module("mamba_ssm.ops.selective_scan_interface").selective_scan_fn


def conv_silu(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Causal depthwise convolution and SiLU.

    Parameters
    ----------
    x
        (B, L, channels).
    weight, bias
        (channels, 1, d_conv), with d_conv from 2 to 4, and (channels,).

    Returns
    -------
    Tensor
        (B, L, channels).
    """
    convolve, _ = mamba2_kernels()
    # the kernel takes channels that come last only if there is a multiple of eight of them
    last = x.shape[-1] % 8 == 0
    by_channel = x.contiguous().transpose(1, 2) if last else x.transpose(1, 2).contiguous()
    return convolve(by_channel, weight.squeeze(1), bias, activation="silu").transpose(1, 2)


def ssd(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, chunk_size: int
) -> Tensor:
    """Causal scan of Mamba-2; shapes as in :func:`scmamba.nn.scan.ssd.ssd`."""
    _, scan = mamba2_kernels()
    return scan(x, dt, A, B, C, chunk_size=chunk_size, D=D)


def selective_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, *, reverse: bool = False
) -> tuple[Tensor, Tensor]:
    """Scan of Mamba-1 from a state of zeros.

    Arguments and results, y and the last state, are those of
    :func:`scmamba.nn.scan.selective.selective_scan`. The kernel is causal, so ``reverse`` flips.
    """
    x, dt, B, C = (t.flip(1) if reverse else t for t in (x, dt, B, C))
    x, dt, B, C = (t.mT.contiguous() for t in (x, dt, B, C))
    y, state = mamba1_kernel()(x, dt, A.contiguous(), B, C, D, return_last_state=True)
    return (y.mT.flip(1) if reverse else y.mT), state
