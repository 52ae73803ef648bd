"""State-space duality (SSD): the scan of Mamba-2, causal or anti-causal, in plain PyTorch.

The recurrence, per head, with a_t = dt_t * A and a state h of shape (headdim, d_state), is

    causal        h_t = exp(a_t) h_{t-1} + dt_t x_t B_t^T      y_t = h_t C_t + D x_t
    anti-causal   h_t = exp(a_t) h_{t+1} + dt_t x_t B_t^T      y_t = h_t C_t + D x_t

(Dao and Gu, "Transformers are SSMs", 2024.) It is computed in chunks,
:mod:`scmamba.nn.scan.chunks`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba.nn.padding import chunked
from scmamba.nn.scan import chunk_gradients, chunks


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
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Scan ``x`` along its second axis.

    Parameters
    ----------
    x
        (batch, L, heads, headdim) input.
    dt
        (batch, L, heads) step sizes after softplus; 0 at padding, which then contributes nothing.
    A
        (heads,) decay rates, below 0.
    B, C
        (batch, L, groups, d_state) input and output maps; heads are split evenly over the groups.
    D
        (heads,) skip connection; zeros by default.
    chunk_size
        Largest length of a chunk; shorter ones are used where they are faster. It changes speed
        and memory, not the result.
    reverse
        Scan from the last position to the first.
    state
        (batch, groups, d_state, heads / groups, headdim) state before the first position, or
        behind the last with ``reverse``; zeros by default.

    Returns
    -------
    y : Tensor
        (batch, L, heads, headdim), in at least float32.
    state : Tensor
        (batch, groups, d_state, heads / groups, headdim) state after the scan.

    Examples
    --------
    A state that decays by half at each step of 1:

    >>> import torch
    >>> from scmamba.nn.scan.ssd import ssd
    >>> x = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> one = torch.ones(1, 3, 1, 1)
    >>> y, state = ssd(x, torch.ones(1, 3, 1), torch.tensor([0.5]).log(), one, one)
    >>> y.flatten()
    tensor([1.0000, 0.5000, 0.2500])
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    batch, _, heads, headdim = x.shape
    groups, d_state = B.shape[2:]
    if state is None:
        state = x.new_zeros(batch, groups, d_state, heads // groups, headdim)
    with torch.autocast(x.device.type, enabled=False):
        tensors = (t.to(dtype) for t in (x, dt, A, B, C, state))
        y, state = _Scan.apply(chunk_size, reverse, *tensors)
        y = y if D is None else torch.addcmul(y, x.to(dtype), D.to(dtype)[:, None])
    return y, state


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
        chunk_size: int,
        reverse: bool,
        x: Tensor,
        dt: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        state: Tensor,
    ) -> tuple[Tensor, Tensor]:
        length = x.shape[1]
        size = min(length, chunk_length(length, chunk_size, B.shape[-1]))
        x, dt, B, C = (chunked(t, size) for t in (x, dt, B, C))
        inputs = chunks.Inputs(x, dt, A, B, C)
        saved = chunks.forward(inputs, state, reverse)
        ctx.save_for_backward(*inputs, *saved)
        ctx.size, ctx.reverse, ctx.length = size, reverse, length
        return saved.y.flatten(1, 2)[:, :length], saved.final_state

    @staticmethod
    @once_differentiable
    def backward(  # type: ignore[override]
        ctx: Any, dy: Tensor, dfinal_state: Tensor
    ) -> tuple[Tensor | None, ...]:
        n, tensors = len(chunks.Inputs._fields), ctx.saved_tensors
        inputs, saved = chunks.Inputs(*tensors[:n]), chunks.Saved(*tensors[n:])
        dy = chunked(dy, ctx.size)
        g = chunk_gradients.backward(inputs, saved, dy, dfinal_state, ctx.reverse)
        dx, ddt, dB, dC = (t.flatten(1, 2)[:, : ctx.length] for t in (g.x, g.dt, g.B, g.C))
        return None, None, dx, ddt, g.A, dB, dC, g.initial_state
