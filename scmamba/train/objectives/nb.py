"""Likelihood of a cell's counts (``nb``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scmamba.models import CellOutput
from scmamba.nn.losses import negative_binomial_nll
from scmamba.stream.gene_subsets import GeneSubsetBatch


@dataclass(frozen=True)
class NB:
    """Negative binomial log-likelihood of a cell's counts, negated, in nats per cell.

    Parameters
    ----------
    weight
        Factor in the total loss.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import NB
    >>> output = SimpleNamespace(
    ...     count_log_share=torch.tensor([[0.5, 0.5]]).log(), count_log_dispersion=torch.zeros(2)
    ... )
    >>> NB()(output, SimpleNamespace(counts=torch.tensor([[3.0, 1.0]]))).item() > 0
    True
    """

    weight: float = 1.0
    name: ClassVar[str] = "nb"
    head: ClassVar[str] = "counts"

    def __call__(self, output: CellOutput, batch: GeneSubsetBatch) -> Tensor:
        """Mean over the cells."""
        assert batch.counts is not None
        assert output.count_log_share is not None and output.count_log_dispersion is not None
        depth = batch.counts.sum(1, keepdim=True).clamp(min=1)
        log_mean = output.count_log_share + depth.log()
        return negative_binomial_nll(batch.counts, log_mean, output.count_log_dispersion).mean()
