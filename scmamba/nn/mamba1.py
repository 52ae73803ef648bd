"""The Mamba-1 mixer, with the parameter names of mamba-ssm so that its weights load as they are."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.padding import blank, check_padding
from scmamba.nn.resume import State, check, extend, start
from scmamba.nn.selective_scan import selective_scan


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
        tail, scan = fresh if state is None else check(state, fresh)
        x, z = self.project(u).chunk(2, -1)
        window, tail = extend(tail, x)
        y, scan = self._scan(self._convolve(window), None, False, scan)
        return self.out_proj((y * F.silu(z)).to(u.dtype)), State(tail, scan)

    def project(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Convolution input and gate, (B, L, 2 * d_inner)."""
        check_padding(padding_mask, u)
        projected = self.in_proj(blank(u, padding_mask))
        return projected if self.in_proj.bias is None else blank(projected, padding_mask)

    def between(
        self, projected: Tensor, padding_mask: Tensor | None, directions: tuple[bool, ...]
    ) -> Tensor:
        """Mean over ``directions`` of all that stands between the projections, (B, L, d_inner)."""
        x, z = projected.chunk(2, -1)
        halves = []
        for reverse in directions:
            sides = (0, self.d_conv - 1) if reverse else (self.d_conv - 1, 0)
            convolved = self._convolve(F.pad(x, (0, 0, *sides)), reverse)
            halves.append(self._scan(convolved, padding_mask, reverse)[0])
        return sum(halves[1:], halves[0]) / len(halves) * F.silu(z)

    def _convolve(self, window: Tensor, reverse: bool = False) -> Tensor:
        """Convolution and SiLU of a window of ``d_conv - 1`` more tokens than the result."""
        weight = self.conv1d.weight.flip(2) if reverse else self.conv1d.weight
        return F.silu(F.conv1d(window.mT, weight, self.conv1d.bias, groups=self.d_inner).mT)

    def _scan(
        self, x: Tensor, padding_mask: Tensor | None, reverse: bool, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        sizes = [self.dt_rank, self.d_state, self.d_state]
        low, B, C = self.x_proj(x).split(sizes, -1)
        dt = blank(F.softplus(self.dt_proj(low)), padding_mask)
        A = -self.A_log.exp()
        return selective_scan(
            x, dt, A, B, C, D=self.D, reverse=reverse, state=state, return_state=True
        )
