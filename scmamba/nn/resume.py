"""A sequence read piece by piece: what a causal mixer keeps between two pieces.

A piece of one token is a step of generation, in constant time; long pieces read a sequence that
would not fit into memory at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba.nn import chunks
from scmamba.nn.convolution import conv_silu
from scmamba.nn.ssd import chunk_length

if TYPE_CHECKING:
    from scmamba.nn.mamba2 import Mamba2

_BLOCK = 1 << 19  # numbers in a (tokens, d_inner) block, as in nn/blocks.py


class State(NamedTuple):
    """What a mixer keeps of the past."""

    tail: Tensor  # (B, d_conv - 1, channels) last inputs of the convolution
    scan: Tensor  # (B, ...) state of the scan


def start(like: Tensor, tail: tuple[int, int], scan: tuple[int, ...]) -> State:
    """State before the first token, on the device of ``like`` (B, ...)."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    scan_state = torch.zeros(len(like), *scan, dtype=dtype, device=like.device)
    return State(like.new_zeros(len(like), *tail), scan_state)


def check(state: State, expected: State) -> State:
    """``state`` if its shapes are those of ``expected``."""
    got, wanted = ([tuple(t.shape) for t in s] for s in (state, expected))
    if got != wanted:
        raise ScmambaError(
            f"the state holds tensors of shapes {got}; this mixer and batch need {wanted}: give "
            "the state that resume returned for the piece before, or None"
        )
    return State(*state)


def following(tail: Tensor, x: Tensor, reverse: bool = False) -> Tensor:
    """Tail after ``x`` (B, l, channels); with ``reverse``, which reads backwards, before it."""
    n = tail.shape[1]
    if reverse:
        return torch.cat([x[:, :n], tail.to(x.dtype)], 1)[:, :n]
    joined = torch.cat([tail.to(x.dtype), x[:, max(0, x.shape[1] - n) :]], 1)
    return joined[:, joined.shape[1] - n :]


def resume_mamba2(mixer: Mamba2, u: Tensor, state: State | None) -> tuple[Tensor, State]:
    """Mix ``u`` (B, l, d_model), which follows what ``state`` remembers."""
    channels, g = mixer.conv1d.in_channels, mixer.ngroups
    shape = (g, mixer.d_state, mixer.nheads // g, mixer.headdim)
    fresh = start(u, (mixer.d_conv - 1, channels), shape)
    tail, scan = fresh if state is None else check(state, fresh)
    results = []
    for piece in u.split(max(_BLOCK // mixer.d_inner, mixer.chunk_size), 1):
        zxbc, dt = mixer.split(mixer.project(piece), None)
        z, xbc = zxbc.split([mixer.d_inner, channels], -1)
        convolved = conv_silu(xbc, mixer.conv1d.weight, mixer.conv1d.bias, tail=tail)
        y, scan = _scan(mixer, convolved, dt, scan)
        tail = following(tail, xbc)
        results.append(mixer.out_proj(mixer.norm(y, z).to(u.dtype)))
    return torch.cat(results, 1), State(tail, scan)


def _scan(mixer: Mamba2, xbc: Tensor, dt: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Scan with skip connection (B, l, d_inner) of convolved ``xbc``, and the state after it."""
    length, g, d_state = xbc.shape[1], mixer.ngroups, mixer.d_state
    size = min(length, chunk_length(length, mixer.chunk_size, d_state))

    def split(t: Tensor) -> Tensor:  # zeros behind the end: dt is 0 there, so they do nothing
        return F.pad(t, (0, 0, 0, -length % size)).to(state.dtype).unflatten(1, (-1, size))

    x, B, C = split(xbc).split([mixer.d_inner, g * d_state, g * d_state], -1)
    x, B, C = x.unflatten(-1, (-1, mixer.headdim)), *(t.unflatten(-1, (g, -1)) for t in (B, C))
    inputs = chunks.Inputs(x, split(dt), -mixer.A_log.exp(), B, C)
    scanned = chunks.forward(inputs, state, False)
    y = torch.addcmul(scanned.y, x, mixer.D[:, None])
    return y.flatten(1, 2)[:, :length].flatten(2), scanned.leave
