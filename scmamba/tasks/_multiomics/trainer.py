"""Training of the network on random views of the cells; see :class:`MatrixTrainer`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba.learn.matrix_trainer import MatrixTrainer
from scmamba.learn.training import MultiomicsObjectives
from scmamba.nn.losses import contrastive_loss, gaussian_kl, gaussian_nll
from scmamba.tasks._multiomics.batches import Batch, Cells
from scmamba.tasks._multiomics.network import Latent, MultiomicsNetwork
from scmamba.train import TrainConfig
from scmamba.train.budget import TimeBudget
from scmamba.train.optim import linear_ramp

_LEAST_CELLS, _LEAST_STEPS = 16, 4
_RAMP = (0.1, 0.5)
_TEMPERATURE = 0.2
_KEEP_ALL = 30
"""Features up to which a view holds all: of ten proteins none is to spare."""


@dataclass(frozen=True)
class Views:
    """What a view of a cell holds.

    Attributes
    ----------
    keep_feature
        Fraction of the values of a modality with many features.
    keep_modality
        Fraction of the modalities.
    most
        Most values of a modality; None: no limit.
    """

    keep_feature: float = 0.5
    keep_modality: float = 0.7
    most: int | None = None


class MultiomicsTrainer(MatrixTrainer[MultiomicsNetwork, Batch]):
    """Explains each modality of a cell by a latent from random parts of what was measured.

    Parameters
    ----------
    network
        Trained in place.
    cells
        All cells.
    rows
        Positions of those to learn from.
    objectives
        Weights of the objectives.
    views
        What a view of a cell holds.
    config, budget
        See :class:`MatrixTrainer`.
    """

    def __init__(
        self,
        network: MultiomicsNetwork,
        cells: Cells,
        rows: npt.NDArray[np.int64],
        objectives: MultiomicsObjectives,
        views: Views,
        config: TrainConfig,
        budget: TimeBudget,
    ) -> None:
        super().__init__(
            network,
            config,
            len(rows),
            least=_LEAST_CELLS,
            least_steps=_LEAST_STEPS,
            budget=budget,
            rival=network.adversary,
        )
        self.cells, self.rows, self.objectives, self.views = cells, rows, objectives, views
        self.rng = np.random.default_rng(config.seed)
        sizes = network.sizes
        self.keep = [views.keep_feature if n > _KEEP_ALL else 1.0 for n in sizes.n_features]
        self.weights = [objectives.of_kind(kind) for kind in sizes.kinds]
        self.by_batch = _batch_weights(cells.blocks.batch_ids[rows], sizes.n_batches)

    def batches(self) -> Iterator[Batch]:
        """Two views of each cell of a batch."""
        order = self.rng.permutation(self.rows)
        for start in range(0, self.steps_per_epoch * self.size, self.size):
            rows = order[start : start + self.size]
            views = self.views
            yield self.cells.views(rows, self.rng, self.keep, views.keep_modality, views.most)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Losses of the objectives, and their weighted sum."""
        network, o = self.model, self.objectives
        if network.adversary is not None:
            network.adversary.reversal.scale = linear_ramp(self.progress, *_RAMP)
        latents = network.encode(network.pool(batch.values), batch.there, batch.batch_ids)
        joint = network.join(latents, batch.there)
        found = {
            "likelihood": self._likelihood(batch, joint),
            "kl": o.kl * gaussian_kl(joint.mean, joint.log_var).mean(),
            "contrast": o.contrast
            * contrastive_loss(joint.mean, batch.rows, batch.batch_ids, _TEMPERATURE),
        }
        if batch.anchors is not None and o.anchor:
            nats = gaussian_nll(batch.anchors, joint.mean, joint.log_var)
            found["anchor"] = o.anchor * nats.mean()
        if network.adversary is not None and o.dab:
            logits = network.adversary(joint.mean)
            found["dab"] = o.dab * F.cross_entropy(logits, batch.batch_ids, self.by_batch)
        return {**found, "loss": torch.stack(list(found.values())).sum()}

    def _likelihood(self, batch: Batch, joint: Latent) -> Tensor:
        """Weighted nats of every modality that was measured, whether it was seen or not."""
        network = self.model
        drawn = network.decoder_input(network.draw(joint), batch.batch_ids)
        total = drawn.new_zeros(())
        for m, (weight, target) in enumerate(zip(self.weights, batch.targets, strict=True)):
            nats = network.decoder(m).nll(drawn, target, batch.batch_ids)
            here = batch.measured[:, m]
            total = total + weight * torch.where(here, nats, 0).sum() / len(here)
        return total


def _batch_weights(batch_ids: npt.NDArray[np.int64], n_batches: int) -> Tensor:
    """Weights of batches in the adversary's loss: those of few cells count as much as others."""
    number = np.bincount(batch_ids, minlength=n_batches)
    weight = number.sum() / np.maximum(number, 1) / max((number > 0).sum(), 1)
    return torch.tensor(np.where(number > 0, weight, 0), dtype=torch.float32)
