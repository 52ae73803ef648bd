"""What a causal mixer remembers between two segments of a sequence.

A segment of one token is a step of generation, in constant time; long segments read a sequence
that would not fit into memory at once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from scmamba._errors import ScmambaError


class State(NamedTuple):
    """State of a mixer after a segment, as :meth:`Mamba2.step` and :meth:`Mamba1.step` return it.

    Attributes
    ----------
    conv_state
        (B, d_conv - 1, channels) last inputs of the convolution.
    ssm_state
        (B, ...) state of the scan: (groups, d_state, heads / groups, headdim) for Mamba-2,
        (d_inner, d_state) for Mamba-1.
    """

    conv_state: Tensor
    ssm_state: Tensor


def initial_state(like: Tensor, conv_shape: tuple[int, int], ssm_shape: tuple[int, ...]) -> State:
    """State of zeros for the rows of ``like`` (B, ...), in at least float32 for the scan."""
    dtype = torch.promote_types(like.dtype, torch.float32)
    ssm_state = torch.zeros(len(like), *ssm_shape, dtype=dtype, device=like.device)
    return State(like.new_zeros(len(like), *conv_shape), ssm_state)


def check_state(state: State, expected: State) -> State:
    """Return ``state`` if its shapes are those of ``expected``.

    Raises
    ------
    ScmambaError
        The shapes differ: the state is of another mixer, or of another number of rows.
    """
    got, wanted = ([tuple(t.shape) for t in s] for s in (state, expected))
    if got != wanted:
        raise ScmambaError(
            f"the state holds tensors of shapes {got}; this mixer and batch need {wanted}: give "
            "the state that step returned for the segment before, or None"
        )
    return State(*state)


def next_conv_state(conv_state: Tensor, x: Tensor, reverse: bool = False) -> Tensor:
    """State of the convolution after it has read ``x``.

    Parameters
    ----------
    conv_state
        (B, d_conv - 1, channels) state before ``x``.
    x
        (B, l, channels) inputs that were read.
    reverse
        ``x`` was read from its last position to its first.

    Returns
    -------
    Tensor
        (B, d_conv - 1, channels) inputs read last, in the order of their positions.
    """
    n = conv_state.shape[1]
    if reverse:
        return torch.cat([x[:, :n], conv_state.to(x.dtype)], 1)[:, :n]
    joined = torch.cat([conv_state.to(x.dtype), x[:, max(0, x.shape[1] - n) :]], 1)
    return joined[:, joined.shape[1] - n :]
