"""The Mamba-1 mixer, with the parameter names of mamba-ssm so that its weights load as they are."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.convolution import conv_silu
from scmamba.nn.padding import blank, check_padding
from scmamba.nn.resume import State, check, following, start
from scmamba.nn.selective_scan import selective_scan

_PIECE = 1 << 20  # numbers in (tokens, d_inner) of a piece on a CPU: 4 MiB


class Mamba1(nn.Module):
    """Causal Mamba-1 mixer.

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
    dt_rank
        Rank of the step sizes; ``"auto"``: a sixteenth of ``d_model``, rounded up.
    conv_bias, bias
        Whether the convolution, and the outer projections, have a bias.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dt_rank: int | str = "auto",
        *,
        conv_bias: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(dt_rank, str):
            if dt_rank != "auto":
                raise ScmambaError(f"dt_rank={dt_rank!r}; give 'auto' or a positive integer")
            dt_rank = math.ceil(d_model / 16)
        self.d_model, self.d_state, self.d_conv, self.dt_rank = d_model, d_state, d_conv, dt_rank
        self.d_inner = expand * d_model
        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=bias)
        self.conv1d = nn.Conv1d(
            self.d_inner, self.d_inner, d_conv, groups=self.d_inner, bias=conv_bias
        )
        self.x_proj = nn.Linear(self.d_inner, dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(dt_rank, self.d_inner)
        self.A_log = nn.Parameter(torch.empty(self.d_inner, d_state))
        self.D = nn.Parameter(torch.ones(self.d_inner))
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias)
        self.reset_scan_parameters()

    @torch.no_grad()
    def reset_scan_parameters(self) -> None:
        """Set ``dt_proj``, ``A_log`` and ``D`` as mamba-ssm: dt in [.001, .1], -A = 1 ... N."""
        nn.init.uniform_(self.dt_proj.weight, -(self.dt_rank**-0.5), self.dt_rank**-0.5)
        dt = torch.empty(self.d_inner).uniform_(math.log(1e-3), math.log(1e-1)).exp().clamp(1e-4)
        self.dt_proj.bias.copy_(dt + (-(-dt).expm1()).log())  # inverse of softplus
        self.A_log.copy_(torch.arange(1, self.d_state + 1).log().expand_as(self.A_log))
        self.D.fill_(1)

    def forward(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Mix ``u`` (B, L, d_model); ``padding_mask`` (B, L) is True where padded.

        Padding, wherever it sits, changes nothing at other positions, whatever it holds.
        """
        mixed = self.between(self.project(u, padding_mask), padding_mask, (False,))
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
        fresh = start(u, (self.d_conv - 1, self.d_inner), (self.d_inner, self.d_state))
        state = fresh if state is None else check(state, fresh)
        mixed = []
        for piece in u.split(self._piece(u), 1):
            x, z = self.project(piece).chunk(2, -1)
            y, state = self._run(x, None, False, state)
            mixed.append(self.out_proj((y * F.silu(z)).to(u.dtype)))
        return torch.cat(mixed, 1), state

    def project(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Convolution input and gate, (B, L, 2 * d_inner)."""
        check_padding(padding_mask, u)
        projected = self.in_proj(blank(u, padding_mask))
        return projected if self.in_proj.bias is None else blank(projected, padding_mask)

    def between(
        self, projected: Tensor, padding_mask: Tensor | None, directions: tuple[bool, ...]
    ) -> Tensor:
        """Mean over ``directions`` of all that stands between the projections, (B, L, d_inner)."""
        length = projected.shape[1]
        size = max(1, length) if torch.is_grad_enabled() else self._piece(projected)
        pieces = [slice(a, a + size) for a in range(0, length, size)]
        x, z = projected.chunk(2, -1)
        y: dict[int, Tensor] = {}
        for reverse in directions:
            state: State | None = None
            for piece in pieces[:: -1 if reverse else 1]:
                mask = None if padding_mask is None else padding_mask[:, piece]
                part, state = self._run(x[:, piece], mask, reverse, state)
                y[piece.start] = y[piece.start] + part if piece.start in y else part
        gated = [y[p.start] * F.silu(z[:, p]) / len(directions) for p in pieces]
        return torch.cat(gated, 1)

    def _run(
        self, x: Tensor, padding_mask: Tensor | None, reverse: bool, state: State | None
    ) -> tuple[Tensor, State]:
        """Convolution and scan of a piece ``x`` (B, l, d_inner) that follows ``state``."""
        tail, scan = (None, None) if state is None else state
        if tail is None:
            tail = x.new_zeros(len(x), self.d_conv - 1, self.d_inner)
        weight, bias = self.conv1d.weight, self.conv1d.bias
        convolved = conv_silu(x, weight, bias, tail=tail, reverse=reverse)
        sizes = [self.dt_rank, self.d_state, self.d_state]
        low, B, C = self.x_proj(convolved).split(sizes, -1)
        dt = blank(F.softplus(self.dt_proj(low)), padding_mask)
        A, D = -self.A_log.exp(), self.D
        y, scan = selective_scan(
            convolved, dt, A, B, C, D=D, reverse=reverse, state=scan, return_state=True
        )
        return y, State(following(tail, x, reverse), scan)

    def _piece(self, like: Tensor) -> int:
        """Tokens of ``like`` (B, L, ...) that are computed at once without gradients."""
        if like.device.type != "cpu":
            return max(1, like.shape[1])
        return max(1, _PIECE // (self.d_inner * max(1, len(like))))
