"""The selective scan on a CPU: the compiled loops behind PyTorch's autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba._compiled import for_rows
from scmamba.nn.scan.cpu import selective_loops as loops
from scmamba.nn.scan.cpu.arrays import flat
from scmamba.nn.scan.cpu.lanes import LANES, STATES
from scmamba.nn.scan.selective_chunks import Inputs


def scan(inputs: Inputs, D: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    """Result (b, L, d) with skip connection ``D`` (d,), and the state that leaves; float32."""
    channels, states = inputs.A.shape
    d, n = -channels % LANES, -states % STATES
    if d or n:
        x, dt, A, B, C, state = inputs
        x, dt = (F.pad(t, (0, d)) for t in (x, dt))
        A, state = (F.pad(t, (0, n, 0, d)) for t in (A, state))
        B, C = (F.pad(t, (0, n)) for t in (B, C))
        inputs, D = Inputs(x, dt, A, B, C, state), F.pad(D, (0, d))
    y, state = _Scan.apply(reverse, D, *inputs)
    return y[..., :channels], state[:, :channels, :states]


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, reverse: bool, D: Tensor, *given: Tensor
    ) -> tuple[Tensor, Tensor]:
        x, dt, A, B, C, state, D = (t.contiguous() for t in (*given, D))
        batch, length, d = x.shape
        sizes = length, d, A.shape[1]
        rates, state = _blocks(A / np.log(2)), _blocks(state).clone()
        tiles = -(-length // loops.TILE) if any(ctx.needs_input_grad) else 0
        y, enters = torch.empty_like(x), x.new_empty(batch, tiles, *state.shape[1:])
        operands = [flat(t) for t in (x, dt, rates, B, C, D, state, y, enters)]

        def work(start: int, stop: int) -> None:
            loops.forward(*operands, sizes, reverse, start, stop)

        units = batch * -(-d // loops.WIDE)
        for_rows(work, units, x.numel() * A.shape[1])
        ctx.save_for_backward(x, dt, rates, B, C, D, enters)
        ctx.sizes, ctx.reverse = sizes, reverse
        return y, _unblock(state)

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]
        ctx: Any, dy: Tensor, dleave: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, dt, rates, B, C, D, enters = ctx.saved_tensors
        (length, d, n), batch = ctx.sizes, len(x)
        blocks = -(-d // loops.WIDE)
        dx, ddt, dD = torch.empty_like(x), torch.empty_like(x), x.new_zeros(batch, d)
        dA = x.new_zeros(batch, *rates.shape)
        dB, dC = x.new_zeros(2, batch, blocks, length, n)
        dstate = _blocks(dleave).clone()
        given = (x, dt, rates, B, C, D, enters, dy.contiguous())
        operands = [flat(t) for t in (*given, dx, ddt, dA, dB, dC, dD, dstate)]

        def work(start: int, stop: int) -> None:
            loops.backward(*operands, ctx.sizes, ctx.reverse, start, stop)

        for_rows(work, batch * blocks, x.numel() * n)
        dA = _unblock(dA.sum(0, keepdim=True))[0]
        return None, dD.sum(0), dx, ddt, dA, dB.sum(1), dC.sum(1), _unblock(dstate)


def _blocks(t: Tensor) -> Tensor:
    """(..., d, n) to (..., n / STATES, d / LANES, STATES, LANES)."""
    split = t.unflatten(-1, (-1, STATES)).unflatten(-3, (-1, LANES))
    return split.movedim((-2, -4, -1, -3), (-4, -3, -2, -1)).contiguous()


def _unblock(t: Tensor) -> Tensor:
    """Undo :func:`_blocks`."""
    return t.movedim((-4, -3, -2, -1), (-2, -4, -1, -3)).flatten(-2).flatten(-3, -2)
