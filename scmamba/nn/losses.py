"""Losses of the pretraining and fine-tuning objectives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def masked_mse(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over the positions where ``mask`` is True.

    Parameters
    ----------
    prediction, target
        Values of the same shape.
    mask
        Boolean, of the same shape. Without any True the loss and its gradient are 0.

    Returns
    -------
    Tensor
        One number, 0 or more.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import masked_mse
    >>> masked_mse(torch.tensor([1.0, 5.0]), torch.zeros(2), torch.tensor([True, False]))
    tensor(1.)
    """
    return _masked_mean(F.mse_loss(prediction, target, reduction="none"), mask)


def expressed_nll(probability: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood, in nats, that genes are expressed (``target > 0``) or not.

    Parameters
    ----------
    probability
        Probability of being expressed, in [0, 1]: the "zero probability" of the published heads.
    target
        Values of the same shape.
    mask
        Boolean, of the same shape: positions that count. Without any True the loss is 0.

    Returns
    -------
    Tensor
        Mean over the positions, 0 or more.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import expressed_nll
    >>> probability, target = torch.tensor([0.5, 0.5]), torch.tensor([0.0, 3.0])
    >>> expressed_nll(probability, target, target >= 0)  # log(2)
    tensor(0.6931)
    """
    return _masked_mean(_expressed_nll(probability, target), mask)


def zero_inflated_mse(
    prediction: Tensor, probability: Tensor, target: Tensor, mask: Tensor
) -> Tensor:
    """Sum of :func:`masked_mse` and :func:`expressed_nll`, as the published training adds them.

    Parameters
    ----------
    prediction, probability, target, mask
        See :func:`masked_mse` and :func:`expressed_nll`.

    Returns
    -------
    Tensor
        One number, 0 or more.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import zero_inflated_mse
    >>> values = torch.tensor([0.0, 3.0])
    >>> zero_inflated_mse(values, torch.tensor([0.5, 0.5]), values, values >= 0)
    tensor(0.6931)
    """
    return masked_mse(prediction, target, mask) + expressed_nll(probability, target, mask)


def masked_cell_losses(
    prediction: Tensor, probability: Tensor | None, target: Tensor, mask: Tensor
) -> Tensor:
    """:func:`masked_mse` of each cell, or :func:`zero_inflated_mse` where probabilities are given.

    Parameters
    ----------
    prediction, target, mask
        (B, L); see :func:`masked_mse`.
    probability
        (B, L); see :func:`expressed_nll`. None: values alone.

    Returns
    -------
    Tensor
        (B,), 0 or more; 0 for a cell without a masked position.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import masked_cell_losses
    >>> values = torch.tensor([[1.0, 5.0], [2.0, 4.0]])
    >>> mask = torch.tensor([[True, False], [True, True]])
    >>> masked_cell_losses(values, None, torch.zeros(2, 2), mask)
    tensor([ 1., 10.])
    """
    terms = F.mse_loss(prediction, target, reduction="none")
    if probability is not None:
        terms = terms + _expressed_nll(probability, target)
    return torch.where(mask, terms, 0).sum(1) / mask.sum(1).clamp(min=1)


def ecs_loss(cell_embedding: Tensor, threshold: float) -> Tensor:
    """Elastic cell similarity: push the cosines between cells of a batch away from ``threshold``.

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
    Tensor
        One number in [0, 1].

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import ecs_loss
    >>> ecs_loss(torch.eye(2), threshold=0.6)  # all cosines are 0
    tensor(0.6400)
    """
    normed = F.normalize(cell_embedding, dim=1)
    cosine = normed @ normed.T
    own = torch.eye(len(cosine), dtype=torch.bool, device=cosine.device)
    return (1 - (cosine.masked_fill(own, 0).relu() - threshold) ** 2).mean()


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


def gaussian_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, exp(log_var)) from N(0, 1), in nats.

    Parameters
    ----------
    mean, log_var
        (B, n).

    Returns
    -------
    Tensor
        (B,), summed over n; 0 or more.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import gaussian_kl
    >>> gaussian_kl(torch.tensor([[0.0], [2.0]]), torch.zeros(2, 1))
    tensor([0., 2.])
    """
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1)


def gaussian_nll(target: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Negative log-likelihood of numbers under N(mean, exp(log_var)), in nats, up to a constant.

    Parameters
    ----------
    target, mean, log_var
        (B, n).

    Returns
    -------
    Tensor
        (B,), summed over n.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import gaussian_nll
    >>> gaussian_nll(torch.tensor([[0.0], [2.0]]), torch.zeros(2, 1), torch.zeros(2, 1))
    tensor([0., 2.])
    """
    return 0.5 * ((target - mean).square() * (-log_var).exp() + log_var).sum(1)


def contrastive_loss(
    cells: Tensor, same: Tensor, groups: Tensor | None = None, temperature: float = 0.2
) -> Tensor:
    """Cross-entropy of finding another view of the same cell among views of other cells (InfoNCE).

    Parameters
    ----------
    cells
        (B, n) embeddings of views, several per cell.
    same
        (B,) cell of each view.
    groups
        (B,) batch of each view: only views of one batch are compared, so that telling batches apart
        does not lower the loss. None: all views are compared.
    temperature
        Divisor of the cosines, above 0.

    Returns
    -------
    Tensor
        Mean over the views whose cell has another view; 0 if there are none.

    Notes
    -----
    van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018.

    Examples
    --------
    Both views of each cell agree, and differ from those of the other cell:

    >>> import torch
    >>> from scmamba.nn.losses import contrastive_loss
    >>> cells = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    >>> contrastive_loss(cells, torch.tensor([0, 1, 0, 1])).round(decimals=3)
    tensor(0.0130)
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


def _expressed_nll(probability: Tensor, target: Tensor) -> Tensor:
    p = probability.float()
    p = p.clamp(torch.finfo(p.dtype).eps, 1 - torch.finfo(p.dtype).eps)
    return -torch.where(target > 0, p.log(), (-p).log1p())


def _masked_mean(terms: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, terms, 0).sum() / mask.sum().clamp(min=1)
