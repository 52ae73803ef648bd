"""Likelihood of counts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def negative_binomial_nll(counts: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    """Negative log-likelihood of negative binomial counts, in nats per cell, summed over genes.

    Parameters
    ----------
    counts
        (B, G), at least 0.
    log_mean
        (B, G) logarithms of the means m.
    log_dispersion
        (G,) logarithms of the inverse dispersions t: variance = m + m^2 / t.

    Returns
    -------
    Tensor
        (B,).

    Notes
    -----
    With d = log(m / t): (c + t) softplus(d) - c d - log Gamma(c + t) + log Gamma(t) +
    log Gamma(c + 1). The last three terms vanish where c = 0, so they are computed only elsewhere.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import negative_binomial_nll
    >>> zeros = torch.zeros(1, 1)
    >>> negative_binomial_nll(zeros, zeros, torch.zeros(1))  # m = t = 1: P(0) = 1 / 2
    tensor([0.6931])
    """
    gap, size = log_mean - log_dispersion, log_dispersion.exp()
    dense = (counts + size) * F.softplus(gap) - counts * gap
    cell, gene = counts.nonzero(as_tuple=True)
    c = counts[cell, gene]
    # The functions of the size alone are evaluated once a gene, not once a count.
    gammas = torch.lgamma(size)[gene] + torch.lgamma(c + 1) - torch.lgamma(c + size[gene])
    return dense.sum(1).index_add(0, cell, gammas)
