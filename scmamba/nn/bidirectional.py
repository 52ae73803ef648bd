"""A Mamba-2 mixer that reads a sequence in both directions, with projections made once."""

from __future__ import annotations

from scmamba.nn.mamba2 import Mamba2


class BidirectionalMamba2(Mamba2):
    """Mean of a Mamba-2 mixer and of the same mixer on the reversed sequence.

    Equal to running :class:`Mamba2` twice, the second time on tokens reversed within their
    unpadded length, and averaging. Projections, gate and norm act on each position alone, so the
    projections run once; the second direction is an anti-causal convolution and scan, without a
    flip.
    """

    directions = (False, True)
