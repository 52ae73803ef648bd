"""State-space duality (SSD): the scan of Mamba-2, causal or anti-causal, in plain PyTorch.

The recurrence, per head, with a_t = dt_t * A and a state h of shape (headdim, d_state), is

    causal        h_t = exp(a_t) h_{t-1} + dt_t x_t B_t^T      y_t = h_t C_t + D x_t
    anti-causal   h_t = exp(a_t) h_{t+1} + dt_t x_t B_t^T      y_t = h_t C_t + D x_t
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba.nn import chunks


def ssd(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    *,
    D: Tensor | None = None,
    chunk_size: int = 64,
    reverse: bool = False,
) -> Tensor:
    """Scan ``x`` along its second axis.

    Parameters
    ----------
    x
        (batch, L, heads, headdim) input.
    dt
        (batch, L, heads) step sizes after softplus; 0 at padding, which then contributes nothing.
    A
        (heads,) negative decay rates.
    B, C
        (batch, L, groups, d_state) input and output maps; heads are split evenly over the groups.
    D
        (heads,) skip connection.
    chunk_size
        Largest length of a chunk; shorter ones are used where they are faster. It changes speed
        and memory, not the result.
    reverse
        Scan from the last position to the first.

    Returns
    -------
    y
        (batch, L, heads, headdim), in at least float32.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        y = _Scan.apply(*(t.to(dtype) for t in (x, dt, A, B, C)), chunk_size, reverse)
        return y if D is None else y + x * D.to(dtype)[:, None]


def chunk_length(length: int, largest: int, d_state: int) -> int:
    """Even chunks of at most ``largest`` that waste little, and are short for a small state.

    Work inside chunks grows with their length, work between them with the size of the state.
    """
    largest = min(largest, 64 if d_state > 32 else 32)
    even = -(-length // -(-length // largest))
    return min(largest, -(-even // 8) * 8)


class _Scan(torch.autograd.Function):
    """The whole sequence as one run of chunks."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        x: Tensor,
        dt: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        chunk_size: int,
        reverse: bool,
    ) -> Tensor:
        batch, length, heads, headdim = x.shape
        groups, d_state = B.shape[2:]
        size = chunk_length(length, chunk_size, d_state)
        behind = -length % size  # zeros behind the end: dt is 0 there, so they do nothing

        def split(t: Tensor) -> Tensor:
            padded = F.pad(t.flatten(2), (0, 0, 0, behind))
            return padded.view(batch, -1, size, *t.shape[2:])

        ctx.inputs = chunks.Inputs(split(x), split(dt), A, split(B), split(C))
        ctx.state = x.new_zeros(batch, groups, d_state, heads // groups, headdim)
        ctx.reverse, ctx.length, ctx.split = reverse, length, split
        ctx.saved = chunks.forward(ctx.inputs, ctx.state, reverse)
        return ctx.saved.y.flatten(1, 2)[:, :length]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        dstate = torch.zeros_like(ctx.state)
        g = chunks.backward(ctx.inputs, ctx.saved, ctx.split(dy), dstate, ctx.reverse)
        dx, ddt, dB, dC = (t.flatten(1, 2)[:, : ctx.length] for t in (g.x, g.dt, g.B, g.C))
        return dx, ddt, g.A, dB, dC, None, None
