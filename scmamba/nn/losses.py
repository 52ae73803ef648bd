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


def _masked_mean(terms: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, terms, 0).sum() / mask.sum().clamp(min=1)
