"""The arithmetic of a run of chunks of a Mamba-2 scan, forward and backward, by hand.

Inside a chunk the scan is a masked matrix product, between chunks a short recurrence of states (Dao
and Gu, "Transformers are SSMs", 2024, section 6). With a = dt * A, cum its inclusive and ex its
exclusive running sum inside a chunk, and tot the sum over the chunk, the decay between positions is

    causal        seg[t, s] = cum_t - cum_s  (s <= t)   into the state tot - cum   out of it cum
    anti-causal   seg[t, s] = ex_s - ex_t    (s >= t)   into the state ex   out of it tot - ex

so the second direction needs no flip. dt enters as log(dt) in the exponents of s. Powers are of two
(exp2 is faster than exp) and exponents are clamped to what leaves neither overflow, which the part
beyond the mask would otherwise reach, nor denormal numbers, which are slow.

The gradient of a_u is the sum of what crosses u: all that a position before u gives one after it,
within the chunk, from the state that enters, into the state that leaves, or through the chunk.

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
    leave: Tensor  # (b, g, k, h/g, p) state that leaves the last chunk
    carried: Tensor  # (b, n, q, h, p) C times the state that enters
    enter: Tensor  # (b, n, g, k, h/g, p) states that enter the chunks
    heads: Tensor  # (b*n*h, q, p) x by head
    scaled: Tensor  # (b*n*g, q, h/g*p) x times what enters the state
    decay: Tensor  # (b, n, g, h/g, t, s)
    weights: Tensor  # (b, n, g, h/g, t, s)
    into: Tensor  # (b, n, q, h, 1) factor of what enters the state
    out: Tensor  # (b, n, q, h, 1) factor of what is read from the state


class Gradients(NamedTuple):
    """Gradients of the inputs and of the state that entered."""

    x: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    state: Tensor


def forward(inputs: Inputs, state: Tensor, reverse: bool) -> Saved:
    """Scan a run of chunks into which ``state`` (b, g, k, h/g, p) enters."""
    x, dt, A, B, C = inputs
    b, n, q, h, p = x.shape
    g, k = B.shape[3:]
    decay, into, out = _decays(dt, A, g, reverse)
    B, C = _by_group(B), _by_group(C)

    # within a chunk
    scores = _triangle(C.bmm(B.mT), reverse)  # (b*n*g, t, s)
    weights = decay * scores.view(b, n, g, 1, q, q)
    heads = _by_group(x)
    y = weights.view(-1, q, q).bmm(heads)

    # between chunks: one wide product for all heads of a group
    scaled = _by_group(_grouped(x * into, g))
    states = B.mT.bmm(scaled).view(b, n, g, k, h // g, p)
    enter, leave = _pass(states, state, _total(out, g, reverse), reverse)
    carried = _ungrouped(C.bmm(enter.view(-1, k, h // g * p)), x)
    within = y.view(b, n, h, q, p).transpose(2, 3)
    y = torch.addcmul(within, carried, out, out=torch.empty_like(carried))
    return Saved(y, leave, carried, enter, heads, scaled, decay, weights, into, out)


def backward(inputs: Inputs, saved: Saved, dy: Tensor, dleave: Tensor, reverse: bool) -> Gradients:
    """Gradients from ``dy`` (b, n, q, h, p) and from that of the state that left."""
    x, dt, A, B, C = inputs
    _, _, carried, enter, heads, scaled, decay, weights, into, out = saved
    b, n, q, h, p = x.shape
    g, k = B.shape[3:]
    B, C = _by_group(B), _by_group(C)

    # within a chunk
    dheads = _by_group(dy)
    within = weights.view(-1, q, q).mT.bmm(dheads)
    dweights = dheads.bmm(heads.mT).view_as(decay)
    crossing = _crossing(dweights * weights, reverse)
    dscores = _triangle(dweights.mul_(decay).sum(3).view(-1, q, q), reverse)

    # between chunks; what leaves one enters the next
    dcarried = _by_group(_grouped(dy * out, g))
    dstates = C.mT.bmm(dcarried).view_as(enter)
    total = _total(out, g, reverse)
    passed, dstate = _pass(dstates, dleave, total, not reverse)
    wide = passed.view(-1, k, h // g * p)
    dB = torch.baddbmm(dscores.mT.bmm(C), scaled, wide.mT)
    dC = torch.baddbmm(dscores.bmm(B), dcarried, enter.view_as(wide).mT)
    dx = _ungrouped(B.bmm(wide), x)
    given = (x * dx).sum(-1) * into.squeeze(-1)  # to the state that leaves
    taken = (dy * carried).sum(-1) * out.squeeze(-1)  # from the state that enters
    torch.addcmul(within.view(b, n, h, q, p).transpose(2, 3), dx, into, out=dx)

    # a_u = dt_u * A scales all that crosses u; dt also scales what its own position gives
    through = ((passed * enter).sum((3, 5), keepdim=True) * total).view(b, n, 1, h)
    da = crossing.view(b, n, h, q).transpose(2, 3) + through
    if reverse:
        da += _wide(taken).cumsum(2) + _sum_from(given, 1)
    else:
        da += _sum_from(taken, 0) + _wide(given).cumsum(2) - given
    ddt = torch.where(dt > 0, (x * dx).sum(-1) / dt, 0) + (da * A).to(dt.dtype)
    dA = (da * dt).sum((0, 1, 2)).to(A.dtype)
    return Gradients(dx, ddt, dA, _split(dB, b, n), _split(dC, b, n), dstate)


def _crossing(flow: Tensor, reverse: bool) -> Tensor:
    """(b, n, g, h/g, u) sum of ``flow`` (..., t, s) over s < u <= t, or t <= u < s in reverse.

    Sums in float64, so that what does not cross u cancels: it is the same numbers.
    """
    wide = _wide_type(flow)
    outgoing = flow.sum(-1, dtype=wide) - flow.sum(-2, dtype=wide)
    return outgoing.cumsum(-1) if reverse else outgoing.flip(-1).cumsum(-1).flip(-1)


def _decays(dt: Tensor, A: Tensor, g: int, reverse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """``decay``, ``into`` and ``out`` of :class:`Saved`."""
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
    into, out = torch.stack(ends).to(dt.dtype).clamp_(-bound, bound).exp2_().unsqueeze(-1)
    return decay, into, out


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


def _total(out: Tensor, g: int, reverse: bool) -> Tensor:
    """Decay over whole chunks, (b, n, g, 1, h/g, 1): that to the last position of the scan."""
    b, n, _, h, _ = out.shape
    return out[:, :, 0 if reverse else -1].view(b, n, g, 1, h // g, 1)


def _pass(states: Tensor, state: Tensor, total: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    """Accumulate what chunks add to a state: the states that enter them, and the last one."""
    enter, leave = torch.empty_like(states), torch.empty_like(state)
    order = range(states.shape[1])[:: -1 if reverse else 1]
    added, factors, slots = states.unbind(1), total.unbind(1), enter.unbind(1)
    slots[order[0]].copy_(state)
    for i, following in zip(order, [*(slots[j] for j in order[1:]), leave], strict=True):
        torch.addcmul(added[i], slots[i], factors[i], out=following)
    return enter, leave


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
    return t.to(_wide_type(t))


def _wide_type(t: Tensor) -> torch.dtype:
    """Type of sums in which digits would cancel: float64 where the device has it."""
    return torch.float32 if t.device.type == "mps" else torch.float64
