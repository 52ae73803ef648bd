"""Losses of predicted expression values at the positions of a mask."""

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


def _expressed_nll(probability: Tensor, target: Tensor) -> Tensor:
    p = probability.float()
    p = p.clamp(torch.finfo(p.dtype).eps, 1 - torch.finfo(p.dtype).eps)
    return -torch.where(target > 0, p.log(), (-p).log1p())


def _masked_mean(terms: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, terms, 0).sum() / mask.sum().clamp(min=1)
