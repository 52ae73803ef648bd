"""The Mamba-2 mixer, with the parameter names of mamba-ssm so that its weights load as they are.

Letters in the shapes: B rows, L tokens, H heads of P = headdim channels, d_inner = H P, G groups of
heads that share B and C, N = d_state, conv_dim = d_inner + 2 G N.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.linear import Linear
from scmamba.nn.norm import RMSNormGated
from scmamba.nn.padding import check_padding_mask, zero_padding
from scmamba.nn.scan.convolution import conv_silu
from scmamba.nn.scan.mixer import conv_scan_gate
from scmamba.nn.scan.ssd import ssd
from scmamba.nn.scan.state import State, check_state, initial_state, next_conv_state
from scmamba.nn.scan.tensors import MixerSizes

_SEGMENT = 1 << 19  # numbers in (tokens, d_inner) of a segment that step computes at once: 2 MiB


class Mamba2(nn.Module):
    """Causal Mamba-2 mixer (Dao and Gu, "Transformers are SSMs", 2024).

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
        Channels per head; must divide the inner width.
    ngroups
        Groups of heads that share B and C; the gated norm is per group too.
    chunk_size
        Largest chunk of the scan: changes speed and memory, not the result.
    bias, conv_bias
        Whether the two projections, and the convolution, have a bias.
    dt_limit
        Range to which the step size is clamped after softplus.
    norm_eps
        Added to the mean square in the gated norm.

    Raises
    ------
    ScmambaError
        ``headdim`` does not divide the inner width, or ``ngroups`` the number of heads.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.mamba2 import Mamba2
    >>> mixer = Mamba2(d_model=32, d_state=16, headdim=16)
    >>> u = torch.randn(2, 10, 32)
    >>> mixer(u).shape
    torch.Size([2, 10, 32])

    Token by token, as in generation, the result is the same:

    >>> first, state = mixer.step(u[:, :9])
    >>> last, state = mixer.step(u[:, 9:], state)
    >>> torch.allclose(torch.cat([first, last], 1), mixer(u), atol=1e-5)
    True
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
        self.conv_dim = self.d_inner + 2 * ngroups * d_state
        self.in_proj = Linear(d_model, self.d_inner + self.conv_dim + self.nheads, bias=bias)
        self.conv1d = nn.Conv1d(
            self.conv_dim, self.conv_dim, d_conv, groups=self.conv_dim, bias=conv_bias
        )
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
        """Mix the tokens of each row.

        Parameters
        ----------
        u
            (B, L, d_model).
        padding_mask
            (B, L), True where padded. Padding changes nothing at other positions, wherever it is
            and whatever it holds.

        Returns
        -------
        Tensor
            (B, L, d_model).
        """
        projected = self.project(u, padding_mask)  # (B, L, d_inner + conv_dim + H)
        y = self.conv_scan_gate(projected, padding_mask, self.directions)  # (B, L, d_inner)
        return self.out_proj(y.to(u.dtype))  # (B, L, d_model)

    def project(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Gate, convolution input and raw steps of ``u``, (B, L, d_inner + conv_dim + H)."""
        check_padding_mask(padding_mask, u)
        projected = self.in_proj(zero_padding(u, padding_mask))
        return projected if self.in_proj.bias is None else zero_padding(projected, padding_mask)

    def conv_scan_gate(
        self, projected: Tensor, padding_mask: Tensor | None, directions: tuple[bool, ...]
    ) -> Tensor:
        """Convolution, scan, gate and norm.

        Parameters
        ----------
        projected
            (B, L, d_inner + conv_dim + H) result of :meth:`project`.
        padding_mask
            (B, L), True where padded.
        directions
            Directions whose mean is taken; True reads from the last position to the first.

        Returns
        -------
        Tensor
            (B, L, d_inner) input of ``out_proj``.
        """
        zxbc, dt = self.split(projected, padding_mask)
        sizes = MixerSizes(
            self.headdim, self.ngroups, self.d_state, self.chunk_size, self.norm.eps, directions
        )
        return conv_scan_gate(
            zxbc,  # (B, L, d_inner + conv_dim)
            dt,  # (B, L, H)
            self.conv1d.weight,  # (conv_dim, 1, d_conv)
            self.conv1d.bias,  # (conv_dim,)
            -self.A_log.exp(),  # (H,)
            self.D,  # (H,)
            self.norm.weight / len(directions),  # (d_inner,)
            sizes,
        )

    def split(self, projected: Tensor, padding_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Gate and convolution input (B, L, d_inner + conv_dim), step sizes (B, L, H)."""
        zxbc, dt = projected.split([self.d_inner + self.conv_dim, self.nheads], -1)
        dt = dt.to(torch.promote_types(dt.dtype, torch.float32))
        dt = F.softplus(dt + self.dt_bias).clamp(*self.dt_limit)
        return zxbc, zero_padding(dt, padding_mask)

    @torch.no_grad()
    def step(self, u: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Mix a segment that follows those before it; without gradients.

        Parameters
        ----------
        u
            (B, l, d_model), without padding. One token is a step of generation, in constant time.
        state
            State that the segment before returned; None at the beginning.

        Returns
        -------
        y : Tensor
            (B, l, d_model).
        state : State
            State after the segment.

        Raises
        ------
        ScmambaError
            ``state`` is of another mixer or another number of rows.
        """
        G, N, P = self.ngroups, self.d_state, self.headdim
        fresh = initial_state(u, (self.d_conv - 1, self.conv_dim), (G, N, self.nheads // G, P))
        conv_state, ssm_state = fresh if state is None else check_state(state, fresh)
        mixed = []
        for segment in u.split(max(_SEGMENT // self.d_inner, self.chunk_size), 1):
            zxbc, dt = self.split(self.project(segment), None)
            z, xbc = zxbc.split([self.d_inner, self.conv_dim], -1)
            weight, bias = self.conv1d.weight, self.conv1d.bias
            convolved = conv_silu(xbc, weight, bias, conv_state=conv_state)  # (B, l, conv_dim)
            conv_state = next_conv_state(conv_state, xbc)
            x, B, C = convolved.split([self.d_inner, G * N, G * N], -1)
            x = x.unflatten(-1, (-1, P))  # (B, l, H, P)
            B, C = B.unflatten(-1, (G, N)), C.unflatten(-1, (G, N))  # (B, l, G, N)
            y, ssm_state = ssd(  # (B, l, H, P)
                x,
                dt,
                -self.A_log.exp(),
                B,
                C,
                D=self.D,
                chunk_size=self.chunk_size,
                state=ssm_state,
            )
            y = self.norm(y.flatten(-2), z)  # (B, l, d_inner)
            mixed.append(self.out_proj(y.to(u.dtype)))
        return torch.cat(mixed, 1), State(conv_state, ssm_state)
