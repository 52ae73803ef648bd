"""Objectives of a latent: the counts that it explains, its prior, and views that should agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scmamba.models.cell.output import CellOutput
from scmamba.nn.losses import contrastive_loss, gaussian_kl, negative_binomial_nll
from scmamba.stream.views import ViewBatch


@dataclass(frozen=True)
class NB:
    """Negative log-likelihood of a cell's counts, negative binomial, in nats a cell."""

    weight: float = 1.0
    name: ClassVar[str] = "nb"
    head: ClassVar[str] = "counts"

    def __call__(self, output: CellOutput, batch: ViewBatch) -> Tensor:
        assert batch.counts is not None
        assert output.count_log_share is not None and output.count_log_dispersion is not None
        depth = batch.counts.sum(1, keepdim=True).clamp(min=1)
        log_mean = output.count_log_share + depth.log()
        return negative_binomial_nll(batch.counts, log_mean, output.count_log_dispersion).mean()


@dataclass(frozen=True)
class KL:
    """Divergence of the latent from its prior N(0, 1), in nats a cell."""

    weight: float = 1.0
    name: ClassVar[str] = "kl"
    head: ClassVar[str] = "latent"

    def __call__(self, output: CellOutput, batch: ViewBatch) -> Tensor:
        assert output.latent_log_var is not None
        return gaussian_kl(output.cell_embedding, output.latent_log_var).mean()


@dataclass(frozen=True)
class Contrast:
    """Two random subsets of a cell's genes find one another among cells of the same batch.

    Parameters
    ----------
    weight
        Factor in the total loss.
    temperature
        What cosines are divided by, above 0.
    """

    weight: float = 1.0
    temperature: float = 0.2
    name: ClassVar[str] = "contrast"
    head: ClassVar[str] = ""

    def __call__(self, output: CellOutput, batch: ViewBatch) -> Tensor:
        return contrastive_loss(
            output.cell_embedding, batch.rows, batch.batch_ids, self.temperature
        )


@dataclass(frozen=True)
class SupCon:
    """Cells of one known label find one another among all labelled cells, whatever their batch.

    Parameters
    ----------
    weight
        Factor in the total loss.
    temperature
        What cosines are divided by, above 0.

    Notes
    -----
    Khosla et al., Supervised Contrastive Learning, NeurIPS 2020.
    """

    weight: float = 1.0
    temperature: float = 0.2
    name: ClassVar[str] = "supcon"
    head: ClassVar[str] = ""

    def __call__(self, output: CellOutput, batch: ViewBatch) -> Tensor:
        assert batch.labels is not None
        known = batch.labels >= 0
        cells, labels = output.cell_embedding[known], batch.labels[known]
        return contrastive_loss(cells, labels, temperature=self.temperature)
