"""What the middle of a Mamba-2 mixer computes from, whichever implementation runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


class MixerTensors(NamedTuple):
    """Tensors between the two projections of a Mamba-2 mixer, or their gradients.

    Attributes
    ----------
    zxbc
        (B, L, d_inner + conv_dim) gate z, then x, B and C before the convolution; 0 at padding.
    dt
        (B, L, heads) step sizes after softplus; 0 at padding.
    conv_weight
        (d_conv, conv_dim) weight of the depthwise convolution.
    conv_bias
        (conv_dim,).
    A
        (heads,) decay rates, below 0.
    D
        (heads,) skip connection.
    """

    zxbc: Tensor
    dt: Tensor
    conv_weight: Tensor
    conv_bias: Tensor
    A: Tensor
    D: Tensor


@dataclass(frozen=True)
class MixerSizes:
    """What the shapes of :class:`MixerTensors` do not say.

    Parameters
    ----------
    headdim
        Channels per head.
    ngroups
        Groups of heads that share B and C.
    d_state
        Size of the state per channel.
    chunk_size
        Largest chunk of the scan.
    eps
        Added to the mean square in the gated norm.
    directions
        Directions whose results are added: True reads from the last position to the first.
    """

    headdim: int
    ngroups: int
    d_state: int
    chunk_size: int
    eps: float
    directions: tuple[bool, ...]
