"""The gated RMS norm of Mamba-2."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError


def gated_rms_norm(x: Tensor, z: Tensor, weight: Tensor, ngroups: int, eps: float) -> Tensor:
    """RMS norm of ``x * silu(z)``: the gate comes first (``norm_before_gate=False`` of mamba-ssm).

    Parameters
    ----------
    x, z
        (..., d) input and gate.
    weight
        (d,) factor of each feature.
    ngroups
        The mean square is taken over each of ``ngroups`` equal blocks of features.
    eps
        Added to the mean square.

    Returns
    -------
    Tensor
        (..., d).

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.norm import gated_rms_norm
    >>> y = gated_rms_norm(torch.randn(3, 8), torch.randn(3, 8), torch.ones(8), 2, 1e-5)
    >>> y.view(3, 2, 4).square().mean(-1).round(decimals=2)  # per group
    tensor([[1., 1.],
            [1., 1.],
            [1., 1.]])
    """
    gated = (x * F.silu(z)).unflatten(-1, (ngroups, -1))
    return F.rms_norm(gated, gated.shape[-1:], eps=eps).flatten(-2) * weight


class RMSNormGated(nn.Module):
    """:func:`gated_rms_norm` with a learned weight.

    Parameters
    ----------
    d
        Number of features.
    ngroups
        The mean square is taken over each of ``ngroups`` equal blocks of features.
    eps
        Added to the mean square.

    Raises
    ------
    ScmambaError
        ``ngroups`` does not divide ``d``.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.norm import RMSNormGated
    >>> RMSNormGated(8)(torch.randn(3, 8), torch.randn(3, 8)).shape
    torch.Size([3, 8])
    """

    def __init__(self, d: int, ngroups: int = 1, eps: float = 1e-5) -> None:
        super().__init__()
        if d % ngroups:
            raise ScmambaError(f"{d} features cannot be split into {ngroups} equal groups")
        self.d, self.ngroups, self.eps = d, ngroups, eps
        self.weight = nn.Parameter(torch.ones(d))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Gate ``x`` (..., d) by ``z`` (..., d) and normalize it."""
        return gated_rms_norm(x, z, self.weight, self.ngroups, self.eps)

    def extra_repr(self) -> str:
        """Sizes, as ``print`` shows them."""
        return f"{self.d}, ngroups={self.ngroups}, eps={self.eps}"
