"""Slow, separately written float64 references that judge the fast code."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def recurrence(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """The causal scan, one position at a time: shapes as in ``ssd``."""
    x, dt, A, B, C, D = (t.double() for t in (x, dt, A, B, C, D))
    batch, length, heads, headdim = x.shape
    share = heads // B.shape[2]
    state = x.new_zeros(batch, heads, headdim, B.shape[3])
    out = []
    for t in range(length):
        b = torch.stack([B[:, t, h // share] for h in range(heads)], 1)
        c = torch.stack([C[:, t, h // share] for h in range(heads)], 1)
        keep = torch.exp(dt[:, t] * A)[:, :, None, None]
        state = keep * state + (dt[:, t, :, None] * x[:, t])[..., None] * b[:, :, None, :]
        out.append((state * c[:, :, None, :]).sum(-1) + D[:, None] * x[:, t])
    return torch.stack(out, 1)


def selective(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """The causal selective scan, one position at a time, and its last state."""
    x, dt, A, B, C, D, state = (t.double() for t in (x, dt, A, B, C, D, state))
    out = []
    for t in range(x.shape[1]):
        keep = torch.exp(dt[:, t, :, None] * A)
        state = keep * state + (dt[:, t] * x[:, t])[:, :, None] * B[:, t, None, :]
        out.append((state * C[:, t, None, :]).sum(-1) + D * x[:, t])
    return torch.stack(out, 1), state


def mixer(params: dict[str, Tensor], u: Tensor, *, headdim: int, ngroups: int = 1) -> Tensor:
    """Causal Mamba-2 mixer of one unpadded sequence ``u`` (L, d_model), from its state dict."""
    p = {name: value.double() for name, value in params.items()}
    heads, (conv_dim, _, width) = len(p["D"]), p["conv1d.weight"].shape
    inner = heads * headdim
    state = (conv_dim - inner) // (2 * ngroups)
    projected = u.double() @ p["in_proj.weight"].T
    z, xbc, dt = projected[:, :inner], projected[:, inner : inner + conv_dim], projected[:, -heads:]
    rows = []
    for t in range(len(u)):
        taps = [
            xbc[t - k] * p["conv1d.weight"][:, 0, width - 1 - k] for k in range(min(width, t + 1))
        ]
        rows.append(F.silu(sum(taps) + p["conv1d.bias"]))
    xbc = torch.stack(rows)
    x, B, C = xbc.split([inner, ngroups * state, ngroups * state], -1)
    dt = torch.log1p(torch.exp(dt + p["dt_bias"]))
    y = recurrence(
        x.view(1, -1, heads, headdim),
        dt[None],
        -p["A_log"].exp(),
        B.view(1, -1, ngroups, state),
        C.view(1, -1, ngroups, state),
        p["D"],
    )
    y = y.view(len(u), ngroups, -1) * F.silu(z).view(len(u), ngroups, -1)
    y = y / (y.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return (y.view(len(u), inner) * p["norm.weight"]) @ p["out_proj.weight"].T


def both_directions(params: dict[str, Tensor], u: Tensor, **sizes: int) -> Tensor:
    """The published formulation: the whole mixer twice, the second time on reversed tokens."""
    return (mixer(params, u, **sizes) + mixer(params, u.flip(0), **sizes).flip(0)) / 2
