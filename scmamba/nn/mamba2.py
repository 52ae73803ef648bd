"""The Mamba-2 mixer, with the parameter names of mamba-ssm so that its weights load as they are."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn import kernels
from scmamba.nn.norm import RMSNormGated
from scmamba.nn.ssd import ssd


class Mamba2(nn.Module):
    """Causal Mamba-2 mixer.

    Parameters
    ----------
    d_model
        Width of input and output.
    d_state
        Size of the state per channel.
    d_conv
        Width of the depthwise convolution.
    expand
        Inner width as a multiple of ``d_model``.
    headdim
        Channels a head; must divide the inner width.
    ngroups
        Groups of heads that share B and C; the gated norm is per group too.
    chunk_size
        Chunk of the scan: speed and memory, not the result.
    bias, conv_bias
        Whether the two projections and the convolution have a bias.
    dt_limit
        Range to which the step size is clamped after softplus.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 64,
        d_conv: int = 4,
        expand: int = 2,
        headdim: int = 64,
        ngroups: int = 1,
        chunk_size: int = 64,
        *,
        bias: bool = False,
        conv_bias: bool = True,
        dt_limit: tuple[float, float] = (0.0, math.inf),
        norm_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.d_model, self.d_state, self.d_conv = d_model, d_state, d_conv
        self.d_inner = expand * d_model
        self.headdim, self.ngroups, self.chunk_size = headdim, ngroups, chunk_size
        self.dt_limit = dt_limit
        if self.d_inner % headdim:
            raise ScmambaError(
                f"headdim={headdim} does not divide expand * d_model = {self.d_inner}; "
                "choose a headdim that does"
            )
        self.nheads = self.d_inner // headdim
        if self.nheads % ngroups:
            raise ScmambaError(
                f"ngroups={ngroups} does not divide the {self.nheads} heads "
                f"(expand * d_model / headdim); choose one that does"
            )
        conv_dim = self.d_inner + 2 * ngroups * d_state
        self.in_proj = nn.Linear(d_model, self.d_inner + conv_dim + self.nheads, bias=bias)
        self.conv1d = nn.Conv1d(conv_dim, conv_dim, d_conv, groups=conv_dim, bias=conv_bias)
        self.dt_bias = nn.Parameter(torch.empty(self.nheads))
        self.A_log = nn.Parameter(torch.empty(self.nheads))
        self.D = nn.Parameter(torch.ones(self.nheads))
        self.norm = RMSNormGated(self.d_inner, ngroups, norm_eps)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias)
        self.reset_scan_parameters()

    @torch.no_grad()
    def reset_scan_parameters(self) -> None:
        """Draw ``dt_bias``, ``A_log`` and ``D`` as mamba-ssm does: dt in [1e-3, 1e-1], -A in [1, 16]."""
        dt = torch.empty(self.nheads).uniform_(math.log(1e-3), math.log(1e-1)).exp().clamp(min=1e-4)
        self.dt_bias.copy_(dt + (-(-dt).expm1()).log())  # inverse of softplus
        self.A_log.copy_(torch.empty(self.nheads).uniform_(1, 16).log())
        self.D.fill_(1)

    def forward(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Mix ``u`` (B, L, d_model); ``padding_mask`` (B, L) is True where padded.

        Padding, wherever it sits, changes nothing at other positions, whatever it holds.
        """
        z, xbc, dt = self._project(u, padding_mask)
        y = self.norm(self._scan(xbc, dt, reverse=False), z)
        return self.out_proj(y.to(u.dtype))

    def _project(self, u: Tensor, padding_mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Gate z (B, L, d_inner), convolution input (B, L, conv_dim), step sizes (B, L, nheads)."""
        zxbcdt = self.in_proj(_blank(u, padding_mask))
        z, xbc, dt = zxbcdt.split([self.d_inner, self.conv1d.in_channels, self.nheads], -1)
        if self.in_proj.bias is not None:
            xbc = _blank(xbc, padding_mask)
        dt = dt.to(torch.promote_types(dt.dtype, torch.float32))
        dt = F.softplus(dt + self.dt_bias).clamp(*self.dt_limit)
        return z, xbc, _blank(dt, padding_mask)

    def _scan(self, xbc: Tensor, dt: Tensor, *, reverse: bool) -> Tensor:
        """Convolution, SiLU and scan in one direction: (B, L, d_inner)."""
        A, sizes = -self.A_log.exp(), (self.headdim, self.ngroups, self.d_state)
        if xbc.dtype != torch.float64 and kernels.backend(xbc.device) == "cuda":
            weight, bias = self.conv1d.weight, self.conv1d.bias
            y = kernels.conv_scan(
                xbc,
                dt,
                weight,
                bias,
                A,
                self.D,
                sizes=sizes,
                chunk_size=self.chunk_size,
                reverse=reverse,
            )
            return y.flatten(-2)
        state = self.ngroups * self.d_state
        x, B, C = F.silu(self._conv(xbc, reverse)).split([self.d_inner, state, state], -1)
        x = x.unflatten(-1, (self.nheads, self.headdim))
        B, C = (t.unflatten(-1, (self.ngroups, self.d_state)) for t in (B, C))
        y = ssd(x, dt, A, B, C, D=self.D, chunk_size=self.chunk_size, reverse=reverse)
        return y.flatten(-2)

    def _conv(self, xbc: Tensor, reverse: bool) -> Tensor:
        """Depthwise convolution over what came before, or (``reverse``) over what comes after."""
        weight, reach = self.conv1d.weight, self.d_conv - 1
        if reverse:
            weight = weight.flip(-1)
        padded = F.pad(xbc.transpose(1, 2), (0, reach) if reverse else (reach, 0))
        out = F.conv1d(padded, weight, self.conv1d.bias, groups=self.conv1d.groups)
        return out.transpose(1, 2)


def _blank(t: Tensor, padding_mask: Tensor | None) -> Tensor:
    return t if padding_mask is None else t.masked_fill(padding_mask[..., None], 0)
