"""Decays between the positions of the chunks of a Mamba-2 scan, and to and from the states.

The formulas are those of :mod:`scmamba.nn.scan.chunks`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def decays(dt: Tensor, A: Tensor, g: int, reverse: bool) -> tuple[Tensor, Tensor, Tensor]:
    """``decay``, ``to_state`` and ``from_state`` of :class:`scmamba.nn.scan.chunks.Saved`."""
    b, n, q, h = dt.shape
    a = wide(dt) * (wide(A) / math.log(2))
    cum = a.cumsum(2)
    total = cum[:, :, -1:]
    row = a - cum if reverse else cum
    column = row - wide(dt).log2()
    bound = -math.log2(torch.finfo(dt.dtype).tiny) / 2
    rows, columns = (t.transpose(2, 3).contiguous().view(b, n, g, -1, q) for t in (row, column))
    decay = _differences(rows, columns, dt.dtype).clamp_(-bound, bound).exp2_()
    ends = (-column, row + total) if reverse else (total - column, row)
    powers = torch.stack(ends).to(dt.dtype).clamp_(-bound, bound).exp2_().unsqueeze(-1)
    to_state, from_state = powers
    return decay, to_state, from_state


def total_decay(from_state: Tensor, g: int, reverse: bool) -> Tensor:
    """Decay over whole chunks, (b, n, g, 1, h/g, 1): that to the last position of the scan."""
    b, n, _, h, _ = from_state.shape
    return from_state[:, :, 0 if reverse else -1].view(b, n, g, 1, h // g, 1)


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


def wide(t: Tensor) -> Tensor:
    """``t`` in :func:`wide_type`."""
    return t.to(wide_type(t))


def wide_type(t: Tensor) -> torch.dtype:
    """Return the type of sums in which digits would cancel: float64 where the device has it."""
    return torch.float32 if t.device.type == "mps" else torch.float64
