"""Depthwise convolution with SiLU, causal or anti-causal, as Mamba-1 has it before its scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba._compiled import for_rows
from scmamba.nn import conv_loops
from scmamba.nn.kernels import implementation


def conv_silu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    tail: Tensor | None = None,
    reverse: bool = False,
) -> Tensor:
    """SiLU of the convolution of ``x`` along its second axis.

    Parameters
    ----------
    x
        (batch, L, channels) input, 0 at padding.
    weight, bias
        (channels, 1, width) and (channels,), as in :class:`torch.nn.Conv1d`.
    tail
        (batch, width - 1, channels) what lies before the first position, or with ``reverse``
        behind the last; zeros by default. No gradient flows into it.
    reverse
        Each position reads itself and later ones.

    Returns
    -------
    y
        (batch, L, channels).
    """
    taps = weight.shape[2]
    if tail is None:
        tail = x.new_zeros(len(x), taps - 1, x.shape[2])
    tail = tail.detach().to(x.dtype)
    if implementation("convolution", [x, weight], vectors=[x.shape[2]]) == "compiled":
        bias = weight.new_zeros(len(weight)) if bias is None else bias
        y: Tensor = _ConvSiLU.apply(x, tail, weight, bias, reverse)
        return y
    window = torch.cat([x, tail] if reverse else [tail, x], 1)
    kernel = weight.flip(2) if reverse else weight
    return F.silu(F.conv1d(window.mT, kernel, bias, groups=len(weight)).mT)


class _ConvSiLU(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, tail: Tensor, weight: Tensor, bias: Tensor, reverse: bool
    ) -> Tensor:
        x, (batch, length, d) = rows(x), x.shape
        tail, taps, bias = tail.contiguous(), weight[:, 0].T.contiguous(), bias.contiguous()
        sizes = length, d, x.stride(1), len(taps)
        y = tail.new_empty(batch, length, d)
        operands = [flat(t) for t in (x, tail, taps, bias, y)]

        def work(start: int, stop: int) -> None:
            conv_loops.forward(*operands, sizes, reverse, start, stop)

        for_rows(work, batch * -(-length // conv_loops.TILE), y.numel(), amid_torch=True)
        ctx.save_for_backward(x, tail, taps, bias)
        ctx.reverse = reverse
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, tail, taps, bias = ctx.saved_tensors
        dx, dtaps, dbias = gradients(x, tail, taps, bias, dy.contiguous(), ctx.reverse)
        return dx, None, dtaps.T[:, None], dbias, None


def gradients(
    x: Tensor, tail: Tensor, taps: Tensor, bias: Tensor, dy: Tensor, reverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Of ``x`` (b, L, d), ``taps`` (width, d) and ``bias`` from ``dy`` (b, L, d), contiguous."""
    batch, length, d = x.shape
    sizes, tiles = (length, d, x.stride(1), len(taps)), -(-length // conv_loops.TILE)
    dx = tail.new_empty(batch, length, d)
    dtaps, dbias = tail.new_zeros(batch, tiles, *taps.shape), tail.new_zeros(batch, tiles, d)
    operands = [flat(t) for t in (x, tail, taps, bias, dy, dx, dtaps, dbias)]

    def work(start: int, stop: int) -> None:
        conv_loops.backward(*operands, sizes, reverse, start, stop)

    for_rows(work, batch * tiles, dx.numel(), amid_torch=True)
    return dx, dtaps.sum((0, 1)), dbias.sum((0, 1))


def rows(x: Tensor) -> Tensor:
    """``x`` (b, L, d), copied unless its tokens follow one another at one distance."""
    even = x.stride(2) == 1 and (len(x) == 1 or x.stride(0) == x.shape[1] * x.stride(1))
    return x if even else x.contiguous()


def flat(t: Tensor) -> np.ndarray[Any, Any]:
    """From the first number of ``t`` to the last, with what lies between its rows."""
    n = sum((size - 1) * step for size, step in zip(t.shape, t.stride(), strict=True)) + 1
    return t.detach().as_strided((n if t.numel() else 0,), (1,)).numpy()
