"""A Mamba-2 mixer that reads a sequence in both directions, with projections made once."""

from __future__ import annotations

from scmamba.nn.mamba2 import Mamba2


class BidirectionalMamba2(Mamba2):
    """Mean of a Mamba-2 mixer and of the same mixer on the reversed sequence.

    The result is that of running :class:`~scmamba.nn.mamba2.Mamba2` twice, the second time on
    tokens reversed within their unpadded length, and averaging. Projections act on each position
    alone, so they run once; the second direction is an anti-causal convolution and scan, without a
    flip. Parameters are those of :class:`~scmamba.nn.mamba2.Mamba2`.

    Examples
    --------
    Every token sees all others, before it and after it:

    >>> import torch
    >>> from scmamba.nn.bidirectional import BidirectionalMamba2
    >>> mixer = BidirectionalMamba2(d_model=16, d_state=8, headdim=16)
    >>> u = torch.randn(1, 5, 16)
    >>> changed = u.clone()
    >>> changed[:, 4] += 1
    >>> bool((mixer(changed) != mixer(u)).any(-1).all())
    True
    """

    directions = (False, True)
