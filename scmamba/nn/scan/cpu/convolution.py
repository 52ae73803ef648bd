"""The convolution with SiLU on a CPU: compiled loops behind autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba._compiled import for_rows
from scmamba.nn.scan.cpu import convolution_loops as loops
from scmamba.nn.scan.cpu.arrays import evenly_spaced, flat


def conv_silu(x: Tensor, conv_state: Tensor, weight: Tensor, bias: Tensor, reverse: bool) -> Tensor:
    """See :func:`scmamba.nn.scan.convolution.conv_silu`; float32, whole vectors of channels."""
    y: Tensor = _ConvSiLU.apply(x, conv_state, weight, bias, reverse)
    return y


def gradients(
    x: Tensor, conv_state: Tensor, weight: Tensor, bias: Tensor, dy: Tensor, reverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``x``, ``weight`` and ``bias``.

    Parameters
    ----------
    x
        (B, L, channels), evenly spaced.
    conv_state, weight, bias
        (B, d_conv - 1, channels), (d_conv, channels), (channels,), contiguous.
    dy
        (B, L, channels) gradient of the result, contiguous.
    reverse
        As in the forward pass.

    Returns
    -------
    dx, dweight, dbias
        Of the shapes of ``x``, ``weight`` and ``bias``.
    """
    batch, length, d = x.shape
    d_conv, tiles = len(weight), -(-length // loops.TILE)
    shape = loops.ConvShape(length, d, x.stride(1), d_conv)
    dx = conv_state.new_empty(batch, length, d)
    dweight = conv_state.new_zeros(batch, tiles, d_conv, d)
    dbias = conv_state.new_zeros(batch, tiles, d)
    arrays = [flat(t) for t in (x, conv_state, weight, bias, dy, dx, dweight, dbias)]

    def work(start: int, stop: int) -> None:
        loops.backward(*arrays, shape, reverse, start, stop)

    for_rows(work, batch * tiles, dx.numel(), amid_torch=True)
    return dx, dweight.sum((0, 1)), dbias.sum((0, 1))


class _ConvSiLU(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, x: Tensor, conv_state: Tensor, weight: Tensor, bias: Tensor, reverse: bool
    ) -> Tensor:
        x, (batch, length, d) = evenly_spaced(x), x.shape
        conv_state, bias = conv_state.contiguous(), bias.contiguous()
        weight = weight[:, 0].T.contiguous()  # (d_conv, channels)
        shape = loops.ConvShape(length, d, x.stride(1), len(weight))
        y = conv_state.new_empty(batch, length, d)
        arrays = [flat(t) for t in (x, conv_state, weight, bias, y)]

        def work(start: int, stop: int) -> None:
            loops.forward(*arrays, shape, reverse, start, stop)

        for_rows(work, batch * -(-length // loops.TILE), y.numel(), amid_torch=True)
        ctx.save_for_backward(x, conv_state, weight, bias)
        ctx.reverse = reverse
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, conv_state, weight, bias = ctx.saved_tensors
        dx, dweight, dbias = gradients(x, conv_state, weight, bias, dy.contiguous(), ctx.reverse)
        return dx, None, dweight.T[:, None], dbias, None
