"""The Mamba-2 mixer, with the parameter names of mamba-ssm so that its weights load as they are."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn import kernels
from scmamba.nn.blocks import Sizes
from scmamba.nn.fused import mix
from scmamba.nn.linear import Linear
from scmamba.nn.norm import RMSNormGated
from scmamba.nn.padding import blank, check_padding
from scmamba.nn.resume import State, resume_mamba2


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
        Largest chunk of the scan: speed and memory, not the result.
    bias, conv_bias
        Whether the two projections and the convolution have a bias.
    dt_limit
        Range to which the step size is clamped after softplus.
    """

    directions: tuple[bool, ...] = (False,)  # True: from the last position to the first

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
        self.in_proj = Linear(d_model, self.d_inner + conv_dim + self.nheads, bias=bias)
        self.conv1d = nn.Conv1d(conv_dim, conv_dim, d_conv, groups=conv_dim, bias=conv_bias)
        self.dt_bias = nn.Parameter(torch.empty(self.nheads))
        self.A_log = nn.Parameter(torch.empty(self.nheads))
        self.D = nn.Parameter(torch.ones(self.nheads))
        self.norm = RMSNormGated(self.d_inner, ngroups, norm_eps)
        self.out_proj = Linear(self.d_inner, d_model, bias=bias)
        self.reset_scan_parameters()

    @torch.no_grad()
    def reset_scan_parameters(self) -> None:
        """Draw ``dt_bias``, ``A_log`` and ``D`` as mamba-ssm: dt in [.001, .1], -A in [1, 16]."""
        dt = torch.empty(self.nheads).uniform_(math.log(1e-3), math.log(1e-1)).exp().clamp(min=1e-4)
        self.dt_bias.copy_(dt + (-(-dt).expm1()).log())  # inverse of softplus
        self.A_log.copy_(torch.empty(self.nheads).uniform_(1, 16).log())
        self.D.fill_(1)

    def forward(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Mix ``u`` (B, L, d_model); ``padding_mask`` (B, L) is True where padded.

        Padding, wherever it sits, changes nothing at other positions, whatever it holds.
        """
        projected = self.project(u, padding_mask)
        mixed = self.between(projected, padding_mask, self.directions)
        return self.out_proj(mixed.to(u.dtype))

    @torch.no_grad()
    def resume(self, u: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Mix a piece ``u`` (B, l, d_model) that follows what ``state`` remembers.

        Parameters
        ----------
        u
            The piece; one token is a step of generation, in constant time. No padding.
        state
            What the piece before returned; None at the beginning.

        Returns
        -------
        The mixed piece (B, l, d_model), without gradients, and the state that it leaves.
        """
        return resume_mamba2(self, u, state)

    def project(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Gate, convolution input and raw steps, (B, L, d_inner + conv_dim + nheads)."""
        check_padding(padding_mask, u)
        projected = self.in_proj(blank(u, padding_mask))
        return projected if self.in_proj.bias is None else blank(projected, padding_mask)

    def between(
        self, projected: Tensor, padding_mask: Tensor | None, directions: tuple[bool, ...]
    ) -> Tensor:
        """Mean over ``directions`` of all that stands between the projections, (B, L, d_inner)."""
        zxbc, dt = self.split(projected, padding_mask)
        A, weight, bias = -self.A_log.exp(), self.conv1d.weight, self.conv1d.bias
        fit = 2 <= self.d_conv <= 4
        if kernels.implementation("mamba2", [zxbc], kernels_fit=fit) == "cuda":
            return self._by_kernels(zxbc, dt, A, directions)
        sizes = Sizes(
            self.headdim,
            self.ngroups,
            self.d_state,
            self.chunk_size,
            self.norm.eps,
            directions,
        )
        share = self.norm.weight / len(directions)
        return mix(zxbc, dt, weight, bias, A, self.D, share, sizes)

    def _by_kernels(
        self, zxbc: Tensor, dt: Tensor, A: Tensor, directions: tuple[bool, ...]
    ) -> Tensor:
        """Mean over directions of the gated, normed scan, (B, L, d_inner), by CUDA kernels."""
        z, xbc = zxbc.split([self.d_inner, self.conv1d.in_channels], -1)
        sizes = (self.headdim, self.ngroups, self.d_state)
        weight, bias = self.conv1d.weight, self.conv1d.bias
        normed = []
        for reverse in directions:
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
            normed.append(self.norm(y.flatten(-2), z))
        return torch.stack(normed).mean(0) if len(normed) > 1 else normed[0]

    def split(self, projected: Tensor, padding_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Gate and convolution input (B, L, d_inner + conv_dim), step sizes (B, L, nheads)."""
        zxbc, dt = projected.split([self.d_inner + self.conv1d.in_channels, self.nheads], -1)
        dt = dt.to(torch.promote_types(dt.dtype, torch.float32))
        dt = F.softplus(dt + self.dt_bias).clamp(*self.dt_limit)
        return zxbc, blank(dt, padding_mask)
