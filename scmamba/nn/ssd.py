"""State-space duality (SSD): the Mamba-2 scan in chunks, causal or anti-causal, in plain PyTorch.

The recurrence, per head, with a_t = dt_t * A and a state h of shape (P, N), is

    causal        h_t = exp(a_t) h_{t-1} + dt_t x_t B_t^T      y_t = h_t C_t + D x_t
    anti-causal   h_t = exp(a_t) h_{t+1} + dt_t x_t B_t^T      y_t = h_t C_t + D x_t

Inside a chunk it is a masked matrix product, between chunks a short recurrence of states (Dao and
Gu, "Transformers are SSMs", 2024, section 6). Nothing is flipped: the anti-causal form differs only
in its decays. With cum the inclusive and ex the exclusive running sum of a inside a chunk:

    causal        seg[t, s] = cum_t - cum_s  (s <= t)   into the state tot - cum   out of it cum
    anti-causal   seg[t, s] = ex_s - ex_t    (s >= t)   into the state ex          out of it tot - ex
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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
        Length of a chunk. It changes speed and memory, not the result.
    reverse
        Scan from the last position to the first.

    Returns
    -------
    y
        (batch, L, heads, headdim), in at least float32.
    """
    with torch.autocast(x.device.type, enabled=False):
        dtype = torch.promote_types(x.dtype, torch.float32)
        x, dt, A, B, C = (t.to(dtype) for t in (x, dt, A, B, C))
        y = _scan(x, dt, A, B, C, chunk_size, reverse)
        return y if D is None else y + x * D.to(dtype)[:, None]


def _scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, chunk_size: int, reverse: bool
) -> Tensor:
    batch, length, heads, headdim = x.shape
    groups, d_state = B.shape[2:]
    size = min(chunk_size, length)
    n = -(-length // size)
    behind = n * size - length  # zeros behind the end: dt = 0 there, so they do nothing

    def chunks(t: Tensor) -> Tensor:
        flat = F.pad(t.flatten(2), (0, 0, 0, behind))
        return flat.view(batch, n, size, *t.shape[2:])

    dt = chunks(dt)
    xdt = chunks(x) * dt[..., None]  # (b, n, q, h, p)
    B, C = (chunks(t).transpose(2, 3) for t in (B, C))  # (b, n, g, q, d_state)
    into, out, total, decay = decays(dt * A, reverse)

    # within a chunk
    scores = C @ B.transpose(-1, -2)  # (b, n, g, t, s)
    weights = scores.unsqueeze(3) * decay.unflatten(2, (groups, -1))  # (b, n, g, h/g, t, s)
    y = weights.flatten(2, 3) @ xdt.transpose(2, 3)  # (b, n, h, q, p)

    # between chunks: one wide product for all heads of a group
    heads_wide = (groups, heads // groups * headdim)
    wide = (xdt * into[..., None]).flatten(3).unflatten(3, heads_wide).transpose(2, 3)
    states = B.transpose(-1, -2) @ wide  # (b, n, g, d_state, h/g * p)
    before = _pass_states(states, total, headdim, reverse)
    carried = (C @ before).transpose(2, 3).reshape(batch, n, size, heads, headdim)
    y = torch.addcmul(y.transpose(2, 3), carried, out[..., None])
    return y.reshape(batch, n * size, heads, headdim)[:, :length]


def decays(a: Tensor, reverse: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Decay factors of a chunk from ``a`` = dt * A, (batch, n, q, heads).

    Returns
    -------
    into, out
        (batch, n, q, heads) factors of what enters the state and of what is read from it.
    total
        (batch, n, heads) factor over the whole chunk.
    within
        (batch, n, heads, q, q) factor from position s (last axis) to t, 0 where s may not reach t.
    """
    cum = a.cumsum(2)
    ex, total = cum - a, cum[:, :, -1]
    size = a.shape[2]
    allowed = torch.ones(size, size, dtype=torch.bool, device=a.device).tril()
    if reverse:
        into, out, allowed = ex, total[:, :, None] - ex, allowed.T
        start = ex.transpose(2, 3)
        seg = start[..., None, :] - start[..., None]
    else:
        into, out = total[:, :, None] - cum, cum
        start = cum.transpose(2, 3)
        seg = start[..., None] - start[..., None, :]
    # masked before exp: beyond the mask the exponent is positive and could overflow
    within = seg.masked_fill(~allowed, float("-inf")).exp()
    return into.exp(), out.exp(), total.exp(), within


def _pass_states(states: Tensor, total: Tensor, headdim: int, reverse: bool) -> Tensor:
    """State that enters each chunk, from the states (b, n, g, d_state, h/g * p) chunks produce."""
    n, groups = states.shape[1:3]
    factor = total.unflatten(2, (groups, 1, -1)).repeat_interleave(
        headdim, -1
    )  # (b, n, g, 1, h/g*p)
    state = torch.zeros_like(states[:, 0])
    before = [state] * n
    for i in reversed(range(n)) if reverse else range(n):
        before[i] = state
        state = torch.addcmul(states[:, i], state, factor[:, i])
    return torch.stack(before, 1)
