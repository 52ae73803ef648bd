"""A Mamba-2 mixer that reads a sequence in both directions, with projections made once."""

from __future__ import annotations

from torch import Tensor

from scmamba.nn.mamba2 import Mamba2


class BidirectionalMamba2(Mamba2):
    """Mean of a Mamba-2 mixer and of the same mixer on the reversed sequence.

    Equal to running :class:`Mamba2` twice, the second time on tokens reversed within their
    unpadded length, and averaging. Projections, gate and norm act on each position alone, so they
    run once; the second direction is an anti-causal convolution and scan, without a flip.
    """

    def forward(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Mix ``u`` (B, L, d_model); ``padding_mask`` (B, L) is True where padded."""
        z, xbc, dt = self._project(u, padding_mask)
        ahead = self.norm(self._scan(xbc, dt, reverse=False), z)
        back = self.norm(self._scan(xbc, dt, reverse=True), z)
        return self.out_proj(((ahead + back) / 2).to(u.dtype))
