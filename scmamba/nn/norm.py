"""Norms: the gated RMS norm of Mamba-2, and batch norms that respect padding and domains."""

from __future__ import annotations

from collections.abc import Callable

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


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch norm over the features of tokens, with statistics of unpadded tokens only.

    Running statistics are updated as in :class:`torch.nn.BatchNorm1d`. Padding becomes zero.

    Parameters
    ----------
    d
        Number of features.
    eps
        Added to the variance; 6.1e-5 in the published model.
    affine
        Whether features have a learned scale and shift.
    least
        Smallest number of tokens that are normalized by their own statistics in training. Fewer
        are normalized by the running statistics, which they update in proportion to their number.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.norm import MaskedBatchNorm1d
    >>> norm = MaskedBatchNorm1d(4)
    >>> padded = torch.tensor([[False, False, True]])
    >>> norm(torch.randn(1, 3, 4), padded)[0, 2]
    tensor([0., 0., 0., 0.], grad_fn=<SelectBackward0>)
    """

    def __init__(self, d: int, eps: float = 6.1e-5, affine: bool = True, *, least: int = 2) -> None:
        super().__init__(d, eps=eps, affine=affine)
        self.least = least

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Normalize ``x`` (..., d); ``padding_mask`` (...) is True where padded."""
        if padding_mask is None:
            return self._norm(x.flatten(0, -2)).view_as(x)
        return _where(x, ~padding_mask, self._norm)

    def _norm(self, tokens: Tensor) -> Tensor:
        """Normalize tokens (n, d), by their own statistics where there are enough of them."""
        if not self.training or len(tokens) >= self.least:
            return super().forward(tokens)
        assert self.running_mean is not None and self.running_var is not None
        mean, var = self.running_mean.clone(), self.running_var.clone()
        normed = F.batch_norm(tokens, mean, var, self.weight, self.bias, eps=self.eps)
        if self.least > 2 and len(tokens):
            with torch.no_grad():
                rate = (self.momentum or 0.0) * len(tokens) / self.least
                off = tokens.detach() - mean
                self.running_mean.lerp_(mean + off.mean(0), rate)
                self.running_var.lerp_(off.square().mean(0), rate)
        return normed


class DomainBatchNorm(nn.Module):
    """One batch norm per domain (batch, donor, study); each cell is normalized by its own.

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
    least
        See :class:`MaskedBatchNorm1d`.

    Raises
    ------
    ScmambaError
        ``n_domains`` is below 1.

    Examples
    --------
    Two cells of two domains are each normalized among the tokens of their own domain:

    >>> import torch
    >>> from scmamba.nn.norm import DomainBatchNorm
    >>> norm = DomainBatchNorm(4, n_domains=2)
    >>> x = torch.randn(2, 10, 4) + torch.tensor([0.0, 5.0])[:, None, None]
    >>> norm(x, torch.tensor([0, 1])).mean(1).abs().max().item() < 1e-5
    True
    """

    def __init__(
        self,
        d: int,
        n_domains: int,
        eps: float = 6.1e-5,
        affine: bool = False,
        *,
        least: int = 2,
    ) -> None:
        super().__init__()
        if n_domains < 1:
            raise ScmambaError(f"n_domains={n_domains}; give at least 1")
        self.bns = nn.ModuleList(
            MaskedBatchNorm1d(d, eps, affine, least=least) for _ in range(n_domains)
        )

    @torch.no_grad()
    def set_statistics(self, tokens: Tensor, domain_ids: Tensor, prior: float = 0.0) -> None:
        """Replace the running statistics by exact ones of all tokens.

        Parameters
        ----------
        tokens
            (n, d) all tokens.
        domain_ids
            (n,) domain of each token; a domain without tokens gets the average statistics.
        prior
            Number of pseudo-tokens with the average statistics that are added to each domain, so
            that a domain of few tokens is normalized much like the others.
        """
        present = [tokens[domain_ids == i] for i in range(len(self.bns))]
        known = [own for own in present if len(own)]
        mean = torch.stack([own.mean(0) for own in known]).mean(0)
        spread = torch.stack([own.var(0, correction=0) for own in known]).mean(0)
        for norm, own in zip(self.bns, present, strict=True):
            share = len(own) / (len(own) + prior) if len(own) else 0.0
            at = mean.lerp(own.mean(0), share) if len(own) else mean
            around = own.var(0, correction=0) if len(own) else spread
            assert isinstance(norm, MaskedBatchNorm1d)
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.copy_(at)
            norm.running_var.copy_(spread.lerp(around, share))

    def forward(self, x: Tensor, domain_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Normalize each cell by the statistics of its domain.

        Parameters
        ----------
        x
            (B, L, d).
        domain_ids
            (B,), each in [0, n_domains).
        padding_mask
            (B, L), True where padded; padding becomes zero.

        Returns
        -------
        Tensor
            (B, L, d).

        Raises
        ------
        ScmambaError
            ``domain_ids`` has another shape, or an id is out of range.
        """
        if domain_ids.shape != x.shape[:1]:
            raise ScmambaError(
                f"domain_ids has shape {tuple(domain_ids.shape)}; give one id per cell: "
                f"({x.shape[0]},)"
            )
        present = domain_ids.unique().tolist()
        if present and not 0 <= present[0] <= present[-1] < len(self.bns):
            raise ScmambaError(
                f"domain ids run from {present[0]} to {present[-1]}; "
                f"this norm has 0 to {len(self.bns) - 1}"
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
