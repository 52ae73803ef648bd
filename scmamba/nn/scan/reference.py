"""The specification: both mixers written down plainly, one position at a time, in float64.

Slow, but short and differentiable. Everything faster in :mod:`scmamba.nn.scan` is tested against
these functions, values and gradients alike. They take one unpadded sequence and the state dict of
a mixer, whose names are those of mamba-ssm.

Mamba-2 (Dao and Gu, "Transformers are SSMs", 2024) has one decay rate A per head. With the state
h_t (headdim, d_state) of a head,

    h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t^T        y_t = h_t C_t + D x_t

Mamba-1 (Gu and Dao, "Mamba: linear-time sequence modeling with selective state spaces", 2023) has
one decay rate per channel and state. With the state h_t (d_state,) of a channel,

    h_t = exp(dt_t A) * h_{t-1} + dt_t x_t B_t        y_t = h_t . C_t + D x_t

Letters: L positions, H heads of P channels, G groups of heads, N = d_state, d_inner = H P.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor


def ssd(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Causal scan of Mamba-2.

    Parameters
    ----------
    x
        (batch, L, H, P) input.
    dt
        (batch, L, H) step sizes, 0 or more.
    A
        (H,) decay rates, below 0.
    B, C
        (batch, L, G, N) input and output maps; heads are split evenly over the groups.
    D
        (H,) skip connection.

    Returns
    -------
    Tensor
        (batch, L, H, P), float64.

    Examples
    --------
    A single head and state that decays by half at each step of 1:

    >>> import torch
    >>> from scmamba.nn.scan.reference import ssd
    >>> x = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> one = torch.ones(1, 3, 1, 1)
    >>> A = torch.tensor([0.5]).log()
    >>> ssd(x, torch.ones(1, 3, 1), A, one, one, torch.zeros(1)).flatten()
    tensor([1.0000, 0.5000, 0.2500], dtype=torch.float64)
    """
    x, dt, A, B, C, D = (t.double() for t in (x, dt, A, B, C, D))
    heads = x.shape[2]
    group = [h // (heads // B.shape[2]) for h in range(heads)]  # of each head
    state = x.new_zeros(*x.shape[::2], x.shape[3], B.shape[3])  # (batch, H, P, N)
    out = []
    for t in range(x.shape[1]):
        decay = torch.exp(dt[:, t] * A)[:, :, None, None]  # (batch, H, 1, 1)
        step = dt[:, t, :, None] * x[:, t]  # (batch, H, P)
        state = decay * state + step[..., None] * B[:, t, group, None, :]
        y = (state * C[:, t, group, None, :]).sum(-1)  # (batch, H, P)
        out.append(y + D[:, None] * x[:, t])
    return torch.stack(out, 1)


def selective_scan(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """Causal scan of Mamba-1.

    Parameters
    ----------
    x, dt
        (batch, L, channels) input and step sizes, the latter 0 or more.
    A
        (channels, N) decay rates, below 0.
    B, C
        (batch, L, N) input and output maps.
    D
        (channels,) skip connection.
    state
        (batch, channels, N) state before the first position.

    Returns
    -------
    y, state
        (batch, L, channels), and the state after the last position; float64.
    """
    x, dt, A, B, C, D, state = (t.double() for t in (x, dt, A, B, C, D, state))
    out = []
    for t in range(x.shape[1]):
        decay = torch.exp(dt[:, t, :, None] * A)  # (batch, channels, N)
        state = decay * state + (dt[:, t] * x[:, t])[:, :, None] * B[:, t, None, :]
        out.append((state * C[:, t, None, :]).sum(-1) + D * x[:, t])
    return torch.stack(out, 1), state


def conv_silu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Causal depthwise convolution and SiLU.

    Parameters
    ----------
    x
        (L, channels).
    weight, bias
        (channels, 1, d_conv) and (channels,).

    Returns
    -------
    Tensor
        (L, channels).
    """
    d_conv = weight.shape[2]
    padded = F.pad(x, (0, 0, d_conv - 1, 0))  # zeros before the first position
    terms = [padded[k : k + len(x)] * weight[:, 0, k] for k in range(d_conv)]
    return F.silu(bias + sum(terms))


def mamba2(
    parameters: Mapping[str, Tensor], u: Tensor, *, headdim: int, ngroups: int = 1
) -> Tensor:
    """Causal Mamba-2 mixer.

    Parameters
    ----------
    parameters
        State dict of a :class:`~scmamba.nn.mamba2.Mamba2`.
    u
        (L, d_model).
    headdim, ngroups
        As the mixer has them.

    Returns
    -------
    Tensor
        (L, d_model), float64.
    """
    p = {name: value.double() for name, value in parameters.items()}
    L, H, conv_dim = len(u), len(p["D"]), len(p["conv1d.bias"])
    d_inner = H * headdim
    N = (conv_dim - d_inner) // (2 * ngroups)
    projected = u.double() @ p["in_proj.weight"].T  # (L, d_inner + conv_dim + H)
    z, xbc, dt = projected.split([d_inner, conv_dim, H], -1)
    xbc = conv_silu(xbc, p["conv1d.weight"], p["conv1d.bias"])  # (L, conv_dim)
    x, B, C = xbc.split([d_inner, ngroups * N, ngroups * N], -1)
    dt = torch.log1p(torch.exp(dt + p["dt_bias"]))  # (L, H), softplus
    x, B, C = x.view(1, L, H, headdim), B.view(1, L, ngroups, N), C.view(1, L, ngroups, N)
    y = ssd(x, dt[None], -p["A_log"].exp(), B, C, p["D"])  # (1, L, H, P)
    y = y.view(L, d_inner) * F.silu(z)  # the gate comes before the norm
    y = y.view(L, ngroups, -1)
    y = y / (y.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    return (y.view(L, d_inner) * p["norm.weight"]) @ p["out_proj.weight"].T


def bidirectional_mamba2(
    parameters: Mapping[str, Tensor], u: Tensor, *, headdim: int, ngroups: int = 1
) -> Tensor:
    """Mean of :func:`mamba2` and of the same mixer run on the reversed sequence.

    Parameters and result are those of :func:`mamba2`. The published SC-MAMBA2 layers do this.
    """
    sizes = {"headdim": headdim, "ngroups": ngroups}
    backward = mamba2(parameters, u.flip(0), **sizes).flip(0)
    return (mamba2(parameters, u, **sizes) + backward) / 2


def mamba1(parameters: Mapping[str, Tensor], u: Tensor) -> Tensor:
    """Causal Mamba-1 mixer.

    Parameters
    ----------
    parameters
        State dict of a :class:`~scmamba.nn.mamba1.Mamba1` without biases of the projections.
    u
        (L, d_model).

    Returns
    -------
    Tensor
        (L, d_model), float64.
    """
    p = {name: value.double() for name, value in parameters.items()}
    N, dt_rank = p["A_log"].shape[1], p["dt_proj.weight"].shape[1]
    x, z = (u.double() @ p["in_proj.weight"].T).chunk(2, -1)  # (L, d_inner) each
    x = conv_silu(x, p["conv1d.weight"], p["conv1d.bias"])
    low_rank_dt, B, C = (x @ p["x_proj.weight"].T).split([dt_rank, N, N], -1)
    dt = torch.log1p(torch.exp(low_rank_dt @ p["dt_proj.weight"].T + p["dt_proj.bias"]))
    A = -p["A_log"].exp()  # (d_inner, N)
    state = torch.zeros_like(A)[None]
    y, _ = selective_scan(x[None], dt[None], A, B[None], C[None], p["D"], state)
    return (y[0] * F.silu(z)) @ p["out_proj.weight"].T
