"""The Mamba-1 mixer, with the parameter names of mamba-ssm so that its weights load as they are.

Letters in the shapes: B rows, L tokens, N = d_state.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.padding import check_padding_mask, zero_padding
from scmamba.nn.scan.convolution import conv_silu
from scmamba.nn.scan.selective import selective_scan
from scmamba.nn.scan.state import State, check_state, initial_state, next_conv_state

_SEGMENT = 1 << 20  # numbers in (tokens, d_inner) of a segment on a CPU: 4 MiB


class Mamba1(nn.Module):
    """Causal Mamba-1 mixer (Gu and Dao, "Mamba", 2023).

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

    Raises
    ------
    ScmambaError
        ``dt_rank`` is text other than ``"auto"``.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.mamba1 import Mamba1
    >>> mixer = Mamba1(d_model=32)
    >>> u = torch.randn(2, 10, 32)
    >>> mixer(u).shape
    torch.Size([2, 10, 32])

    Token by token, as in generation, the result is the same:

    >>> first, state = mixer.step(u[:, :9])
    >>> last, state = mixer.step(u[:, 9:], state)
    >>> torch.allclose(torch.cat([first, last], 1), mixer(u), atol=1e-5)
    True
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
        projected = self.project(u, padding_mask)  # (B, L, 2 * d_inner)
        y = self.conv_scan_gate(projected, padding_mask, (False,))  # (B, L, d_inner)
        return self.out_proj(y.to(u.dtype))  # (B, L, d_model)

    def project(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Convolution input and gate of ``u``, (B, L, 2 * d_inner)."""
        check_padding_mask(padding_mask, u)
        projected = self.in_proj(zero_padding(u, padding_mask))
        return projected if self.in_proj.bias is None else zero_padding(projected, padding_mask)

    def conv_scan_gate(
        self, projected: Tensor, padding_mask: Tensor | None, directions: tuple[bool, ...]
    ) -> Tensor:
        """Convolution, scan and gate; without gradients in segments that bound memory.

        Parameters
        ----------
        projected
            (B, L, 2 * d_inner) result of :meth:`project`.
        padding_mask
            (B, L), True where padded.
        directions
            Directions whose mean is taken; True reads from the last position to the first.

        Returns
        -------
        Tensor
            (B, L, d_inner) input of ``out_proj``.
        """
        length = projected.shape[1]
        size = max(1, length) if torch.is_grad_enabled() else self._segment_length(projected)
        segments = [slice(first, first + size) for first in range(0, length, size)]
        x, z = projected.chunk(2, -1)  # (B, L, d_inner) each
        y: dict[int, Tensor] = {}  # sum over directions, by the start of the segment
        for reverse in directions:
            state: State | None = None
            for segment in segments[:: -1 if reverse else 1]:
                mask = None if padding_mask is None else padding_mask[:, segment]
                part, state = self._conv_scan(x[:, segment], mask, reverse, state)
                y[segment.start] = y[segment.start] + part if segment.start in y else part
        gated = [y[s.start] * F.silu(z[:, s]) / len(directions) for s in segments]
        return torch.cat(gated, 1)

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
        fresh = initial_state(u, (self.d_conv - 1, self.d_inner), (self.d_inner, self.d_state))
        state = fresh if state is None else check_state(state, fresh)
        mixed = []
        for segment in u.split(self._segment_length(u), 1):
            x, z = self.project(segment).chunk(2, -1)
            y, state = self._conv_scan(x, None, False, state)
            mixed.append(self.out_proj((y * F.silu(z)).to(u.dtype)))
        return torch.cat(mixed, 1), state

    def _conv_scan(
        self, x: Tensor, padding_mask: Tensor | None, reverse: bool, state: State | None
    ) -> tuple[Tensor, State]:
        """Convolution and scan of ``x`` (B, l, d_inner), and the state after it."""
        conv_state, ssm_state = (None, None) if state is None else state
        if conv_state is None:
            conv_state = x.new_zeros(len(x), self.d_conv - 1, self.d_inner)
        weight, bias = self.conv1d.weight, self.conv1d.bias
        convolved = conv_silu(x, weight, bias, conv_state=conv_state, reverse=reverse)
        sizes = [self.dt_rank, self.d_state, self.d_state]
        low_rank_dt, B, C = self.x_proj(convolved).split(sizes, -1)  # B and C: (B, l, N)
        dt = zero_padding(F.softplus(self.dt_proj(low_rank_dt)), padding_mask)  # (B, l, d_inner)
        A = -self.A_log.exp()  # (d_inner, N)
        y, ssm_state = selective_scan(
            convolved, dt, A, B, C, D=self.D, reverse=reverse, state=ssm_state
        )
        return y, State(next_conv_state(conv_state, x, reverse), ssm_state)

    def _segment_length(self, like: Tensor) -> int:
        """Tokens of ``like`` (B, L, ...) that are computed at once without gradients."""
        if like.device.type != "cpu":
            return max(1, like.shape[1])
        return max(1, _SEGMENT // (self.d_inner * max(1, len(like))))
