"""The arithmetic of a run of chunks of a Mamba-2 scan, forward and backward, by hand.

Inside a chunk the scan is a masked matrix product, between chunks a short recurrence of states (Dao
and Gu, "Transformers are SSMs", 2024, section 6). With a = dt * A, cum its inclusive and ex its
exclusive running sum inside a chunk, and tot the sum over the chunk, the decay between positions is

    causal        seg[t, s] = cum_t - cum_s  (s <= t)   to the state tot - cum   from it cum
    anti-causal   seg[t, s] = ex_s - ex_t    (s >= t)   to the state ex          from it tot - ex

so the second direction needs no flip. dt enters as log(dt) in the exponents of s. Powers are of two
(exp2 is faster than exp) and exponents are clamped to what leaves neither overflow, which the part
beyond the mask would otherwise reach, nor denormal numbers, which are slow.

The gradient of a_u is the sum of what crosses u: all that a position before u gives to one after
it, within the chunk, from the state before the chunk, to the state after it, or from one to the
other.

Shapes: b rows, n chunks, q positions, h heads of p channels, g groups of h/g heads, k = d_state.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Inputs(NamedTuple):
    """What a run of chunks is computed from."""

    x: Tensor  # (b, n, q, h, p)
    dt: Tensor  # (b, n, q, h); 0 at padding
    A: Tensor  # (h,)
    B: Tensor  # (b, n, q, g, k)
    C: Tensor  # (b, n, q, g, k)


class Saved(NamedTuple):
    """The result, and what the backward pass needs again."""

    y: Tensor  # (b, n, q, h, p)
    final_state: Tensor  # (b, g, k, h/g, p) state after the last chunk
    read_state: Tensor  # (b, n, q, h, p) C times the state before the chunk
    initial_states: Tensor  # (b, n, g, k, h/g, p) states before the chunks
    x_by_head: Tensor  # (b*n*h, q, p)
    x_to_state: Tensor  # (b*n*g, q, h/g*p) x times its decay to the end of the chunk
    decay: Tensor  # (b, n, g, h/g, t, s)
    weights: Tensor  # (b, n, g, h/g, t, s)
    to_state: Tensor  # (b, n, q, h, 1) decay from a position into the state after the chunk
    from_state: Tensor  # (b, n, q, h, 1) decay from the state before the chunk to a position


class Gradients(NamedTuple):
    """Gradients of the inputs and of the state before the first chunk."""

    x: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    initial_state: Tensor


def forward(inputs: Inputs, state: Tensor, reverse: bool) -> Saved:
    """Scan a run of chunks from ``state`` (b, g, k, h/g, p)."""
    x, dt, A, B, C = inputs
    b, n, q, h, p = x.shape
    g, k = B.shape[3:]
    decay, to_state, from_state = _decays(dt, A, g, reverse)
    B, C = _by_group(B), _by_group(C)  # (b*n*g, q, k)

    # within a chunk
    scores = _triangle(C.bmm(B.mT), reverse)  # (b*n*g, t, s)
    weights = decay * scores.view(b, n, g, 1, q, q)
    x_by_head = _by_group(x)  # (b*n*h, q, p)
    y = weights.view(-1, q, q).bmm(x_by_head)

    # between chunks: one wide product for all heads of a group
    x_to_state = _by_group(_grouped(x * to_state, g))  # (b*n*g, q, h/g*p)
    added = B.mT.bmm(x_to_state).view(b, n, g, k, h // g, p)
    initial_states, final_state = _pass(added, state, _total(from_state, g, reverse), reverse)
    read_state = _ungrouped(C.bmm(initial_states.view(-1, k, h // g * p)), x)
    within = y.view(b, n, h, q, p).transpose(2, 3)  # (b, n, q, h, p)
    y = torch.addcmul(within, read_state, from_state, out=torch.empty_like(read_state))
    return Saved(
        y,
        final_state,
        read_state,
        initial_states,
        x_by_head,
        x_to_state,
        decay,
        weights,
        to_state,
        from_state,
    )


def backward(
    inputs: Inputs, saved: Saved, dy: Tensor, dfinal_state: Tensor, reverse: bool
) -> Gradients:
    """Gradients from ``dy`` (b, n, q, h, p) and from that of the state after the last chunk."""
    x, dt, A, B, C = inputs
    b, n, q, h, p = x.shape
    g, k = B.shape[3:]
    B, C = _by_group(B), _by_group(C)  # (b*n*g, q, k)
    to_state, from_state, decay = saved.to_state, saved.from_state, saved.decay

    # within a chunk
    dy_by_head = _by_group(dy)
    within = saved.weights.view(-1, q, q).mT.bmm(dy_by_head)
    dweights = dy_by_head.bmm(saved.x_by_head.mT).view_as(decay)
    crossing = _crossing(dweights * saved.weights, reverse)
    dscores = _triangle(dweights.mul_(decay).sum(3).view(-1, q, q), reverse)

    # between chunks: the state after one is the state before the next
    dy_from_state = _by_group(_grouped(dy * from_state, g))
    dread = C.mT.bmm(dy_from_state).view_as(saved.initial_states)
    total = _total(from_state, g, reverse)
    dfinal_states, dinitial_state = _pass(dread, dfinal_state, total, not reverse)
    wide = dfinal_states.view(-1, k, h // g * p)
    dB = torch.baddbmm(dscores.mT.bmm(C), saved.x_to_state, wide.mT)
    dC = torch.baddbmm(dscores.bmm(B), dy_from_state, saved.initial_states.view_as(wide).mT)
    dx = _ungrouped(B.bmm(wide), x)
    given = (x * dx).sum(-1) * to_state.squeeze(-1)  # to the state after the chunk
    taken = (dy * saved.read_state).sum(-1) * from_state.squeeze(-1)  # from the one before it
    torch.addcmul(within.view(b, n, h, q, p).transpose(2, 3), dx, to_state, out=dx)

    # a_u = dt_u * A scales all that crosses u; dt also scales what its own position gives
    through = (dfinal_states * saved.initial_states).sum((3, 5), keepdim=True) * total
    da = crossing.view(b, n, h, q).transpose(2, 3) + through.view(b, n, 1, h)
    if reverse:
        da += _wide(taken).cumsum(2) + _sum_from(given, 1)
    else:
        da += _sum_from(taken, 0) + _wide(given).cumsum(2) - given
    ddt = torch.where(dt > 0, (x * dx).sum(-1) / dt, 0) + (da * A).to(dt.dtype)
    dA = (da * dt).sum((0, 1, 2)).to(A.dtype)
    return Gradients(dx, ddt, dA, _split(dB, b, n), _split(dC, b, n), dinitial_state)


def _crossing(flow: Tensor, reverse: bool) -> Tensor:
    """(b, n, g, h/g, u) sum of ``flow`` (..., t, s) over s < u <= t, or t <= u < s in reverse.

    Sums in float64, so that what does not cross u cancels: it is the same numbers.
    """
    wide = wide_type(flow)
    outgoing = flow.sum(-1, dtype=wide) - flow.sum(-2, dtype=wide)
    return outgoing.cumsum(-1) if reverse else outgoing.flip(-1).cumsum(-1).flip(-1)


def _decays(dt: Tensor, A: Tensor, g: int, reverse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """``decay``, ``to_state`` and ``from_state`` of :class:`Saved`."""
    b, n, q, h = dt.shape
    a = _wide(dt) * (_wide(A) / math.log(2))
    cum = a.cumsum(2)
    total = cum[:, :, -1:]
    row = a - cum if reverse else cum
    column = row - _wide(dt).log2()
    bound = -math.log2(torch.finfo(dt.dtype).tiny) / 2
    rows, columns = (t.transpose(2, 3).contiguous().view(b, n, g, -1, q) for t in (row, column))
    decay = _differences(rows, columns, dt.dtype).clamp_(-bound, bound).exp2_()
    ends = (-column, row + total) if reverse else (total - column, row)
    powers = torch.stack(ends).to(dt.dtype).clamp_(-bound, bound).exp2_().unsqueeze(-1)
    to_state, from_state = powers
    return decay, to_state, from_state


def _differences(rows: Tensor, columns: Tensor, dtype: torch.dtype) -> Tensor:
    """``rows[..., t] - columns[..., s]`` (..., t, s) in ``dtype``, exact where it is small.

    Sums over a chunk are large where decay is fast, and neighbors differ by little: what rounding
    takes from them is subtracted by itself.
    """
    high_rows, high_columns = rows.to(dtype), columns.to(dtype)
    differences = high_rows[..., None] - high_columns[..., None, :]
    differences += (rows - high_rows).to(dtype)[..., None]
    # log2(0) at padding is infinite, and so is its rounding
    return differences.sub_((columns - high_columns).nan_to_num(0).to(dtype)[..., None, :])


def _total(from_state: Tensor, g: int, reverse: bool) -> Tensor:
    """Decay over whole chunks, (b, n, g, 1, h/g, 1): that to the last position of the scan."""
    b, n, _, h, _ = from_state.shape
    return from_state[:, :, 0 if reverse else -1].view(b, n, g, 1, h // g, 1)


def _pass(added: Tensor, state: Tensor, total: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    """Pass ``state`` through all chunks: the states before each of them, and the last one.

    Each chunk multiplies the state by ``total`` and adds ``added`` (b, n, g, k, h/g, p).
    """
    initial_states, final_state = torch.empty_like(added), torch.empty_like(state)
    order = range(added.shape[1])[:: -1 if reverse else 1]
    adds, factors, slots = added.unbind(1), total.unbind(1), initial_states.unbind(1)
    slots[order[0]].copy_(state)
    nexts = [*(slots[j] for j in order[1:]), final_state]
    for i, following in zip(order, nexts, strict=True):
        torch.addcmul(adds[i], slots[i], factors[i], out=following)
    return initial_states, final_state


def _triangle(scores: Tensor, reverse: bool) -> Tensor:
    """Keep scores[..., t, s] where s may reach t."""
    return scores.triu_() if reverse else scores.tril_()


def _by_group(t: Tensor) -> Tensor:
    """(b, n, q, g, r) to (b*n*g, q, r), of groups or heads; a view where there is one."""
    return t.transpose(2, 3).reshape(-1, t.shape[2], t.shape[4])


def _grouped(t: Tensor, g: int) -> Tensor:
    """(b, n, q, h, p) to (b, n, q, g, h/g*p)."""
    b, n, q, h, p = t.shape
    return t.view(b, n, q, g, h // g * p)


def _ungrouped(t: Tensor, like: Tensor) -> Tensor:
    """(b*n*g, q, h/g*p) to (b, n, q, h, p), contiguous."""
    b, n, q, h, p = like.shape
    return t.view(b, n, -1, q, t.shape[-1]).transpose(2, 3).reshape(b, n, q, h, p)


def _split(t: Tensor, b: int, n: int) -> Tensor:
    """(b*n*g, q, k) to (b, n, q, g, k)."""
    return t.view(b, n, -1, *t.shape[1:]).transpose(2, 3)


def _sum_from(t: Tensor, after: int) -> Tensor:
    """Sum of (b, n, q, h) from each position, or from ``after`` it, to the end of the chunk."""
    sums = _wide(t).flip(2).cumsum(2).flip(2)
    return sums - t if after else sums


def _wide(t: Tensor) -> Tensor:
    return t.to(wide_type(t))


def wide_type(t: Tensor) -> torch.dtype:
    """Return the type of sums in which digits would cancel: float64 where the device has it."""
    return torch.float32 if t.device.type == "mps" else torch.float64
