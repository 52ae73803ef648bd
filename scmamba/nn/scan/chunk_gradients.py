"""The gradients of a run of chunks of a Mamba-2 scan, by hand.

Letters and shapes are those of :mod:`scmamba.nn.scan.chunks`. The gradient of a_u is the sum of
what crosses u: all that a position before u gives to one after it, within the chunk, from the state
before the chunk, to the state after it, or from one to the other.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scmamba.nn.scan.chunk_decays import total_decay, wide, wide_type
from scmamba.nn.scan.chunk_layouts import (
    by_group,
    grouped,
    keep_triangle,
    split_groups,
    ungrouped,
)
from scmamba.nn.scan.chunks import Inputs, Saved, pass_states


class Gradients(NamedTuple):
    """Gradients of the inputs and of the state before the first chunk."""

    x: Tensor
    dt: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    initial_state: Tensor


def backward(
    inputs: Inputs, saved: Saved, dy: Tensor, dfinal_state: Tensor, reverse: bool
) -> Gradients:
    """Gradients from ``dy`` (b, n, q, h, p) and from that of the state after the last chunk."""
    x, dt, A, B, C = inputs
    b, n, q, h, p = x.shape
    g, k = B.shape[3:]
    B, C = by_group(B), by_group(C)  # (b*n*g, q, k)
    to_state, from_state, decay = saved.to_state, saved.from_state, saved.decay

    # within a chunk
    dy_by_head = by_group(dy)
    within = saved.weights.view(-1, q, q).mT.bmm(dy_by_head)
    dweights = dy_by_head.bmm(saved.x_by_head.mT).view_as(decay)
    crossing = _crossing(dweights * saved.weights, reverse)
    dscores = keep_triangle(dweights.mul_(decay).sum(3).view(-1, q, q), reverse)

    # between chunks: the state after one is the state before the next
    dy_from_state = by_group(grouped(dy * from_state, g))
    dread = C.mT.bmm(dy_from_state).view_as(saved.initial_states)
    total = total_decay(from_state, g, reverse)
    dfinal_states, dinitial_state = pass_states(dread, dfinal_state, total, not reverse)
    joint = dfinal_states.view(-1, k, h // g * p)
    dB = torch.baddbmm(dscores.mT.bmm(C), saved.x_to_state, joint.mT)
    dC = torch.baddbmm(dscores.bmm(B), dy_from_state, saved.initial_states.view_as(joint).mT)
    dx = ungrouped(B.bmm(joint), x)
    given = (x * dx).sum(-1) * to_state.squeeze(-1)  # to the state after the chunk
    taken = (dy * saved.read_state).sum(-1) * from_state.squeeze(-1)  # from the one before it
    torch.addcmul(within.view(b, n, h, q, p).transpose(2, 3), dx, to_state, out=dx)

    # a_u = dt_u * A scales all that crosses u; dt also scales what its own position gives
    through = (dfinal_states * saved.initial_states).sum((3, 5), keepdim=True) * total
    da = crossing.view(b, n, h, q).transpose(2, 3) + through.view(b, n, 1, h)
    if reverse:
        da += wide(taken).cumsum(2) + _sum_from(given, 1)
    else:
        da += _sum_from(taken, 0) + wide(given).cumsum(2) - given
    ddt = torch.where(dt > 0, (x * dx).sum(-1) / dt, 0) + (da * A).to(dt.dtype)
    dA = (da * dt).sum((0, 1, 2)).to(A.dtype)
    return Gradients(dx, ddt, dA, split_groups(dB, b, n), split_groups(dC, b, n), dinitial_state)


def _crossing(flow: Tensor, reverse: bool) -> Tensor:
    """(b, n, g, h/g, u) sum of ``flow`` (..., t, s) over s < u <= t, or t <= u < s in reverse.

    Sums in float64, so that what does not cross u cancels: it is the same numbers.
    """
    dtype = wide_type(flow)
    outgoing = flow.sum(-1, dtype=dtype) - flow.sum(-2, dtype=dtype)
    return outgoing.cumsum(-1) if reverse else outgoing.flip(-1).cumsum(-1).flip(-1)


def _sum_from(t: Tensor, after: int) -> Tensor:
    """Sum of (b, n, q, h) from each position, or from ``after`` it, to the end of the chunk."""
    sums = wide(t).flip(2).cumsum(2).flip(2)
    return sums - t if after else sums
