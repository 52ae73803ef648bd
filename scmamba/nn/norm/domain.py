"""Batch norms of several domains: batches, donors or studies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.norm.masked import MaskedBatchNorm1d, norm_where


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
            normed = normed + norm_where(x, mine, self.bns[domain].norm_tokens)
        return normed
