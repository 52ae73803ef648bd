"""Everything between the two projections of a mixer, block by block, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba.nn import kernels, mix_cpu
from scmamba.nn.blocks import Active, Operands, Sizes, Work

_KEEP = 1 << 22  # numbers (batch * L * d_inner * directions) up to which blocks are kept


def mix(
    zxbc: Tensor,
    dt: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    A: Tensor,
    D: Tensor,
    norm: Tensor,
    sizes: Sizes,
) -> Tensor:
    """Sum over directions of the gated, normed scan: compiled loops on a CPU, else PyTorch.

    The loops keep what the scan gives, and a state for every few chunks. In PyTorch, short inputs
    keep all that they compute, about 50 bytes a number; long ones keep the states between blocks
    only, and compute each block again: a sixth slower, and flat.

    Parameters
    ----------
    zxbc
        (batch, L, d_inner + conv_dim) gate, then input of the convolution, 0 at padding.
    dt
        (batch, L, heads) step sizes after softplus, 0 at padding.
    weight, bias
        (conv_dim, 1, width) and (conv_dim,) of the depthwise convolution.
    A, D
        (heads,) decay rates and skip connection.
    norm
        (d_inner,) weight of the norm.
    sizes
        See :class:`~scmamba.nn.blocks.Sizes`.

    Returns
    -------
    y
        (batch, L, d_inner), in at least float32.
    """
    dtype = torch.promote_types(zxbc.dtype, torch.float32)
    bias = A.new_zeros(len(weight)) if bias is None else bias
    small = (t.to(dtype) for t in (dt, weight[:, 0].T.contiguous(), bias, A, D))
    operands = Operands(zxbc, *small)
    with torch.autocast(zxbc.device.type, enabled=False):
        vectors = sizes.headdim, sizes.d_state
        if kernels.implementation("mamba2", operands, vectors=vectors) == "compiled":
            return mix_cpu.mix(operands, norm.to(dtype), sizes)
        if torch.is_grad_enabled() and any(t.requires_grad for t in (*operands, norm)):
            result: Tensor = _Mix.apply(sizes, *operands)
            return result * norm
        return _forward(Work(operands, sizes)).mul_(norm)


def _forward(work: Work, keep: Callable[[Tensor, Active], None] | None = None) -> Tensor:
    """Run all blocks; ``keep`` is shown the states that enter them and what they compute."""
    y = work.dt.new_empty(work.batch, work.length, work.d_inner)
    for run in work.runs():
        state = work.no_state(run[0].rows)
        for block in run:
            active = work.forward(block, state)
            if keep is not None:
                keep(state, active)
            state = active.scan.leave
            out = y[block.rows, block.start : block.stop].view_as(active.gated)
            if block.reverse == work.sizes.directions[0]:
                torch.mul(active.gated, active.scale, out=out)
            else:
                out.addcmul_(active.gated, active.scale)
    return y


class _Mix(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sizes: Sizes, *operands: Tensor) -> Tensor:  # type: ignore[override]
        work = Work(Operands(*operands), sizes)
        kept: list[Tensor] = []
        ctx.sizes = sizes
        ctx.again = work.batch * work.length * work.d_inner * len(sizes.directions) > _KEEP
        if ctx.again:
            y = _forward(work, lambda state, active: kept.append(state))
        else:
            y = _forward(work, lambda state, active: kept.extend(active.flat()))
        ctx.save_for_backward(*operands, *kept)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dnormed: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        n, saved = len(Operands._fields), ctx.saved_tensors  # read once: checkpointing insists
        operands, kept = Operands(*saved[:n]), list(saved[n:])
        work, out = Work(operands, ctx.sizes), Operands(*map(torch.zeros_like, operands))
        with torch.autocast(dnormed.device.type, enabled=False):
            for run in reversed(list(work.runs())):
                dstate = work.no_state(run[0].rows)
                for block in reversed(run):
                    active = work.forward(block, kept.pop()) if ctx.again else Active.pop(kept)
                    dstate = work.backward(block, active, dnormed, dstate, out)
        return None, *out
