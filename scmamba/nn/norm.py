"""Norms: gated RMS norm of the mixer, and batch norms that know about padding and domains."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError


class RMSNormGated(nn.Module):
    """RMS norm of ``x * silu(z)``: the gate comes first (``norm_before_gate=False`` of mamba-ssm).

    Parameters
    ----------
    d
        Number of features.
    ngroups
        The mean square is taken over each of ``ngroups`` equal blocks of features.
    eps
        Added to the mean square.
    """

    def __init__(self, d: int, ngroups: int = 1, eps: float = 1e-5) -> None:
        super().__init__()
        if d % ngroups:
            raise ScmambaError(f"{d} features cannot be split into {ngroups} equal groups")
        self.d, self.ngroups, self.eps = d, ngroups, eps
        self.weight = nn.Parameter(torch.ones(d))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Gate and norm ``x`` (..., d) by ``z`` (..., d)."""
        gated = x * F.silu(z)
        groups = gated.unflatten(-1, (self.ngroups, -1))
        return F.rms_norm(groups, groups.shape[-1:], eps=self.eps).flatten(-2) * self.weight

    def extra_repr(self) -> str:
        return f"{self.d}, ngroups={self.ngroups}, eps={self.eps}"


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch norm over the features of tokens, with statistics of unpadded tokens only.

    Running statistics move as in :class:`torch.nn.BatchNorm1d`. Padding comes out as zero.

    Parameters
    ----------
    d
        Number of features.
    eps
        Added to the variance; 6.1e-5 in the published model.
    affine
        Whether features have a learned scale and shift.
    """

    def __init__(self, d: int, eps: float = 6.1e-5, affine: bool = True) -> None:
        super().__init__(d, eps=eps, affine=affine)

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Norm ``x`` (..., d); ``padding_mask`` (...) is True where padded."""
        if padding_mask is None:
            return self._norm(x.flatten(0, -2)).view_as(x)
        return _where(x, ~padding_mask, self._norm)

    def _norm(self, tokens: Tensor) -> Tensor:
        """Norm tokens (n, d); a single one has no variance and takes the running statistics."""
        if self.training and len(tokens) < 2:
            mean, var = self.running_mean, self.running_var
            return F.batch_norm(tokens, mean, var, self.weight, self.bias, eps=self.eps)
        return super().forward(tokens)


class DomainBatchNorm(nn.Module):
    """One batch norm per domain (batch, donor, study); every cell is normed by its own.

    Parameters
    ----------
    d
        Number of features.
    n_domains
        Number of domains.
    eps
        Added to the variance.
    affine
        Whether each domain has a learned scale and shift; the published model has none.
    """

    def __init__(self, d: int, n_domains: int, eps: float = 6.1e-5, affine: bool = False) -> None:
        super().__init__()
        if n_domains < 1:
            raise ScmambaError(f"n_domains={n_domains}; give at least 1")
        self.bns = nn.ModuleList(MaskedBatchNorm1d(d, eps, affine) for _ in range(n_domains))

    def forward(self, x: Tensor, domain_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Norm ``x`` (B, L, d) by ``domain_ids`` (B,), each in [0, n_domains)."""
        if domain_ids.shape != x.shape[:1]:
            raise ScmambaError(
                f"domain_ids has shape {tuple(domain_ids.shape)}; give one id a cell: "
                f"({x.shape[0]},)"
            )
        present = domain_ids.unique().tolist()
        if present and not 0 <= present[0] <= present[-1] < len(self.bns):
            raise ScmambaError(
                f"domain ids run from {present[0]} to {present[-1]}; "
                f"this norm knows 0 to {len(self.bns) - 1}"
            )
        padded = torch.zeros_like(x[..., 0], dtype=torch.bool)
        padded = padded if padding_mask is None else padding_mask
        normed = torch.zeros_like(x)
        for domain in present:
            mine = ~padded & (domain_ids == domain)[:, None]
            normed = normed + _where(x, mine, self.bns[domain]._norm)
        return normed


def _where(x: Tensor, real: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
    """``norm`` of the tokens of ``x`` (..., d) where ``real`` (...) is True, 0 elsewhere."""
    index = real.flatten().nonzero().squeeze(1)
    tokens = x.flatten(0, -2)
    normed = norm(tokens.index_select(0, index))
    return torch.zeros_like(tokens, dtype=normed.dtype).index_copy(0, index, normed).view_as(x)
