"""Losses of the cosines between the embeddings of the cells of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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
