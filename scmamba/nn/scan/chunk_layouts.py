"""Layouts in which the products of a run of chunks are one batched product each.

Letters are those of :mod:`scmamba.nn.scan.chunks`.
"""

from __future__ import annotations

from torch import Tensor


def keep_triangle(scores: Tensor, reverse: bool) -> Tensor:
    """Keep scores[..., t, s] where s may reach t."""
    return scores.triu_() if reverse else scores.tril_()


def by_group(t: Tensor) -> Tensor:
    """(b, n, q, g, r) to (b*n*g, q, r), of groups or heads; a view where there is one."""
    return t.transpose(2, 3).reshape(-1, t.shape[2], t.shape[4])


def grouped(t: Tensor, g: int) -> Tensor:
    """(b, n, q, h, p) to (b, n, q, g, h/g*p)."""
    b, n, q, h, p = t.shape
    return t.view(b, n, q, g, h // g * p)


def ungrouped(t: Tensor, like: Tensor) -> Tensor:
    """(b*n*g, q, h/g*p) to (b, n, q, h, p), contiguous."""
    b, n, q, h, p = like.shape
    return t.view(b, n, -1, q, t.shape[-1]).transpose(2, 3).reshape(b, n, q, h, p)


def split_groups(t: Tensor, b: int, n: int) -> Tensor:
    """(b*n*g, q, k) to (b, n, q, g, k)."""
    return t.view(b, n, -1, *t.shape[1:]).transpose(2, 3)
