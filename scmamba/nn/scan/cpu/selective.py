"""The selective scan of Mamba-1 on a CPU: compiled loops behind autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba._compiled import for_rows
from scmamba.nn.scan.cpu import selective_backward, selective_forward
from scmamba.nn.scan.cpu.arrays import flat
from scmamba.nn.scan.cpu.lanes import LANES, STATES
from scmamba.nn.scan.cpu.selective_tiles import TILE, WIDE, ScanArrays, ScanGradients
from scmamba.nn.scan.selective_chunks import Inputs


def scan(inputs: Inputs, D: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    """Scan with skip connection ``D`` (d,): (b, L, d) and the last state (b, d, n); float32."""
    channels, d_state = inputs.A.shape
    d, n = -channels % LANES, -d_state % STATES  # missing to whole vectors
    if d or n:
        x, dt, A, B, C, state = inputs
        x, dt = (F.pad(t, (0, d)) for t in (x, dt))
        A, state = (F.pad(t, (0, n, 0, d)) for t in (A, state))
        B, C = (F.pad(t, (0, n)) for t in (B, C))
        inputs, D = Inputs(x, dt, A, B, C, state), F.pad(D, (0, d))
    y, state = _Scan.apply(reverse, D, *inputs)
    return y[..., :channels], state[:, :channels, :d_state]


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, reverse: bool, *given: Tensor
    ) -> tuple[Tensor, Tensor]:
        D, x, dt, A, B, C, state = (t.contiguous() for t in given)
        batch, length, d = x.shape
        sizes = length, d, A.shape[1]
        A, state = _blocks(A / np.log(2)), _blocks(state).clone()
        tiles = -(-length // TILE) if any(ctx.needs_input_grad) else 0
        y, initial_states = torch.empty_like(x), x.new_empty(batch, tiles, *state.shape[1:])
        arrays = ScanArrays(*map(flat, (x, dt, A, B, C, D)))
        filled = flat(state), flat(y), flat(initial_states)

        def work(start: int, stop: int) -> None:
            selective_forward.forward(arrays, *filled, sizes, reverse, start, stop)

        for_rows(work, batch * -(-d // WIDE), x.numel() * sizes[2])
        ctx.save_for_backward(x, dt, A, B, C, D, initial_states)
        ctx.sizes, ctx.reverse = sizes, reverse
        return y, _unblock(state)

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]
        ctx: Any, dy: Tensor, dfinal_state: Tensor
    ) -> tuple[Tensor | None, ...]:
        *tensors, initial_states = ctx.saved_tensors
        x, _, A, *_ = tensors
        (length, d, n), batch = ctx.sizes, len(x)
        units, long = -(-d // WIDE), torch.float64
        dx, ddt, dstate = torch.empty_like(x), torch.empty_like(x), _blocks(dfinal_state).clone()
        dA, dD = x.new_zeros(batch, *A.shape, dtype=long), x.new_zeros(batch, d, dtype=long)
        dB, dC = x.new_zeros(2, batch, units, length, n)
        arrays = ScanArrays(*map(flat, tensors))
        gradients = ScanGradients(*map(flat, (dx, ddt, dA, dB, dC, dD, dstate)))
        given = flat(initial_states), flat(dy.contiguous())
        settings = ctx.sizes, ctx.reverse

        def work(start: int, stop: int) -> None:
            selective_backward.backward(arrays, *given, gradients, *settings, start, stop)

        for_rows(work, batch * units, x.numel() * n)
        dA = _unblock(dA.sum(0, keepdim=True))[0].to(x.dtype)
        dD, dB, dC = dD.sum(0).to(x.dtype), dB.sum(1), dC.sum(1)
        return None, dD, dx, ddt, dA, dB, dC, _unblock(dstate)


def _blocks(t: Tensor) -> Tensor:
    """(..., d, n) to (..., n / STATES, d / LANES, STATES, LANES)."""
    split = t.unflatten(-1, (-1, STATES)).unflatten(-3, (-1, LANES))
    return split.movedim((-2, -4, -1, -3), (-4, -3, -2, -1)).contiguous()


def _unblock(t: Tensor) -> Tensor:
    """Undo :func:`_blocks`."""
    return t.movedim((-4, -3, -2, -1), (-2, -4, -1, -3)).flatten(-2).flatten(-3, -2)
