"""The arithmetic of a run of chunks of a Mamba-2 scan, forward.

Inside a chunk the scan is a masked matrix product, between chunks a short recurrence of states (Dao
and Gu, "Transformers are SSMs", 2024, section 6). With a = dt * A, cum its inclusive and ex its
exclusive running sum inside a chunk, and tot the sum over the chunk, the decay between positions is

    causal        seg[t, s] = cum_t - cum_s  (s <= t)   to the state tot - cum   from it cum
    anti-causal   seg[t, s] = ex_s - ex_t    (s >= t)   to the state ex          from it tot - ex

so the second direction needs no flip. dt enters as log(dt) in the exponents of s. Powers are of two
(exp2 is faster than exp) and exponents are clamped to what leaves neither overflow, which the part
beyond the mask would otherwise reach, nor denormal numbers, which are slow.

Gradients are those of :mod:`scmamba.nn.scan.chunk_gradients`.

Shapes: b rows, n chunks, q positions, h heads of p channels, g groups of h/g heads, k = d_state.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scmamba.nn.scan.chunk_decays import decays, total_decay
from scmamba.nn.scan.chunk_layouts import by_group, grouped, keep_triangle, ungrouped


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


def forward(inputs: Inputs, state: Tensor, reverse: bool) -> Saved:
    """Scan a run of chunks from ``state`` (b, g, k, h/g, p)."""
    x, dt, A, B, C = inputs
    b, n, q, h, p = x.shape
    g, k = B.shape[3:]
    decay, to_state, from_state = decays(dt, A, g, reverse)
    B, C = by_group(B), by_group(C)  # (b*n*g, q, k)

    # within a chunk
    scores = keep_triangle(C.bmm(B.mT), reverse)  # (b*n*g, t, s)
    weights = decay * scores.view(b, n, g, 1, q, q)
    x_by_head = by_group(x)  # (b*n*h, q, p)
    y = weights.view(-1, q, q).bmm(x_by_head)

    # between chunks: one wide product for all heads of a group
    x_to_state = by_group(grouped(x * to_state, g))  # (b*n*g, q, h/g*p)
    added = B.mT.bmm(x_to_state).view(b, n, g, k, h // g, p)
    initial_states, final_state = pass_states(
        added, state, total_decay(from_state, g, reverse), reverse
    )
    read_state = ungrouped(C.bmm(initial_states.view(-1, k, h // g * p)), x)
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


def pass_states(
    added: Tensor, state: Tensor, total: Tensor, reverse: bool
) -> tuple[Tensor, Tensor]:
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
