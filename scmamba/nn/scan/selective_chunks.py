"""The selective scan of Mamba-1 in plain PyTorch: all chunks at once, then a recurrence over them.

With a decay per channel and state the scan is no matrix product. Inside chunks the recurrence runs
step by step, over all chunks at once; between chunks the states pass through whole decays. Every
exponent is a sum of steps times a negative rate, so nothing overflows, whatever the steps.

Shapes: b rows, c chunks, q positions, d channels, n states.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from scmamba.nn.padding import chunked

_BLOCK = 32  # chunks that are computed at once: bounds memory


class Inputs(NamedTuple):
    """What a scan is computed from, in one dtype."""

    x: Tensor  # (b, L, d)
    dt: Tensor  # (b, L, d); 0 at padding
    A: Tensor  # (d, n)
    B: Tensor  # (b, L, n)
    C: Tensor  # (b, L, n)
    state: Tensor  # (b, d, n) before the first position


def scan(inputs: Inputs, D: Tensor, chunk_size: int, reverse: bool) -> tuple[Tensor, Tensor]:
    """Scan in blocks of chunks; the backward pass computes each block again.

    Parameters
    ----------
    inputs, D
        What is computed from, and the skip connection (d,).
    chunk_size
        Positions of a chunk.
    reverse
        Scan from the last position to the first.

    Returns
    -------
    y, state
        (b, L, d), and the state after the scan (b, d, n).
    """
    x, dt, A, B, C, state = inputs
    x, dt, B, C = (t.flip(1) if reverse else t for t in (x, dt, B, C))
    tokens = chunk_size * _BLOCK
    results = []
    for bx, bdt, bB, bC in zip(*(t.split(tokens, 1) for t in (x, dt, B, C)), strict=True):
        block = Inputs(bx, bdt, A, bB, bC, state)
        if torch.is_grad_enabled():
            y, state = checkpoint(_block, block, chunk_size, use_reentrant=False)
        else:
            y, state = _block(block, chunk_size)
        results.append(torch.addcmul(y, bx, D))
    y = torch.cat(results, 1)
    return y.flip(1) if reverse else y, state


def _block(inputs: Inputs, chunk_size: int) -> tuple[Tensor, Tensor]:
    x, dt, A, B, C, state = inputs
    length = x.shape[1]
    size = min(chunk_size, length)
    x, dt, B, C = (chunked(t, size) for t in (x, dt, B, C))
    decay = (dt[..., None] * A).exp()  # b c q d n
    added = (dt * x)[..., None] * B[..., None, :]
    since = (dt.cumsum(2)[..., None] * A).exp()  # decay since the chunk began
    inner = [added[:, :, 0]]  # states as if each chunk began with zeros
    for now, keep in zip(added.unbind(2)[1:], decay.unbind(2)[1:], strict=True):
        inner.append(torch.addcmul(now, keep, inner[-1]))
    before = [state]  # states before each chunk, and the last one
    for last, keep in zip(inner[-1].unbind(1), since[:, :, -1].unbind(1), strict=True):
        before.append(torch.addcmul(last, keep, before[-1]))
    states = torch.addcmul(torch.stack(inner, 2), since, torch.stack(before[:-1], 1)[:, :, None])
    y = (states @ C[..., None]).squeeze(-1)  # b c q d
    return y.flatten(1, 2)[:, :length], before[-1]
