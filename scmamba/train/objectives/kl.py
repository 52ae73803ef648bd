"""Prior of the latent (``kl``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from scmamba.models import CellOutput
from scmamba.nn.losses import gaussian_kl
from scmamba.stream.cells import CellTrainBatch


@dataclass(frozen=True)
class KL:
    """Divergence of the latent from its prior N(0, 1), in nats per cell.

    Parameters
    ----------
    weight
        Factor in the total loss.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import torch
    >>> from scmamba.train import KL
    >>> at_prior = torch.zeros(4, 3)
    >>> KL()(SimpleNamespace(cell_embedding=at_prior, latent_log_var=at_prior), None).item()
    0.0
    """

    weight: float = 1.0
    name: ClassVar[str] = "kl"
    head: ClassVar[str] = "latent"

    def __call__(self, output: CellOutput, batch: CellTrainBatch) -> Tensor:
        """Mean over the cells."""
        assert output.latent_log_var is not None
        return gaussian_kl(output.cell_embedding, output.latent_log_var).mean()
