"""Losses of the pretraining and fine-tuning objectives; each gives one number."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over the positions where ``mask`` is True.

    Parameters
    ----------
    prediction, target
        Values, of one shape.
    mask
        Boolean, of the same shape. With no True the loss is 0 (and its gradient too).
    """
    return _masked_mean(F.mse_loss(prediction, target, reduction="none"), mask)


def expressed_nll(probability: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood, in nats, that genes are expressed (``target > 0``) or not.

    Parameters
    ----------
    probability
        Of being expressed, in [0, 1]: the "zero probability" of the published heads.
    target
        Values, of the same shape.
    mask
        Boolean, of the same shape: where to look. With no True the loss is 0.
    """
    p = probability.float()
    p = p.clamp(torch.finfo(p.dtype).eps, 1 - torch.finfo(p.dtype).eps)
    return _masked_mean(-torch.where(target > 0, p.log(), (-p).log1p()), mask)


def zero_inflated_mse(
    prediction: Tensor, probability: Tensor, target: Tensor, mask: Tensor
) -> Tensor:
    """Sum of :func:`masked_mse` and :func:`expressed_nll`, as the published training adds them."""
    return masked_mse(prediction, target, mask) + expressed_nll(probability, target, mask)


def ecs_loss(cell_embedding: Tensor, threshold: float) -> Tensor:
    """Elastic cell similarity: pushes cosines of a batch's cells away from ``threshold``.

    Mean over all B x B pairs of 1 - (relu(cosine) - threshold)^2, the cosine of a cell with
    itself set to 0 (scGPT; Cui et al., Nature Methods 2024).

    Parameters
    ----------
    cell_embedding
        (B, D).
    threshold
        In [0, 1]: cosines above it are pulled to 1, those below to 0.

    Returns
    -------
    A number in [0, 1].
    """
    normed = F.normalize(cell_embedding, dim=1)
    cosine = normed @ normed.T
    own = torch.eye(len(cosine), dtype=torch.bool, device=cosine.device)
    return (1 - (cosine.masked_fill(own, 0).relu() - threshold) ** 2).mean()


def negative_binomial_nll(counts: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    """Negative log-likelihood of counts, in nats a cell, summed over genes.

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
    (B,).

    Notes
    -----
    With d = log(m / t): (c + t) softplus(d) - c d - log Gamma(c + t) + log Gamma(t) +
    log Gamma(c + 1). The three last terms vanish where c = 0 and are taken elsewhere alone.
    """
    gap = log_mean - log_dispersion
    dense = (counts + log_dispersion.exp()) * F.softplus(gap) - counts * gap
    cell, gene = counts.nonzero(as_tuple=True)
    c, t = counts[cell, gene], log_dispersion.exp()[gene]
    gammas = torch.lgamma(t) + torch.lgamma(c + 1) - torch.lgamma(c + t)
    return dense.sum(1).index_add(0, cell, gammas)


def gaussian_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, exp(log_var)) from N(0, 1), in nats.

    ``mean`` and ``log_var`` are (B, n); the result is (B,), summed over n.
    """
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1)


def contrastive_loss(
    cells: Tensor, same: Tensor, groups: Tensor | None = None, temperature: float = 0.2
) -> Tensor:
    """Cross-entropy of finding a cell's other view among the other cells' views (InfoNCE).

    Parameters
    ----------
    cells
        (B, n) embeddings of views, several of each cell.
    same
        (B,) which cell each view is of.
    groups
        (B,) the batch of each view: only views of one batch stand against each other, so that
        nothing is gained by telling batches apart. None: all do.
    temperature
        What cosines are divided by, above 0.

    Returns
    -------
    Mean over the views that have another one of their cell; 0 where none has.

    Notes
    -----
    van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018.
    """
    normed = F.normalize(cells, dim=1)
    logits = normed @ normed.T / temperature
    own = torch.eye(len(cells), dtype=torch.bool, device=cells.device)
    partner = (same[:, None] == same) & ~own
    against = ~own if groups is None else ~own & (groups[:, None] == groups)
    logits = logits.masked_fill(~(against | partner), -torch.inf)
    paired = partner.any(1)
    log_share = logits[paired] - logits[paired].logsumexp(1, keepdim=True)
    partner = partner[paired]
    found = torch.where(partner, log_share, 0).sum(1) / partner.sum(1)
    return -found.sum() / max(len(found), 1)


def _masked_mean(terms: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, terms, 0).sum() / mask.sum().clamp(min=1)
