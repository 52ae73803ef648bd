"""How a network is made and trained."""

from __future__ import annotations

from dataclasses import dataclass

from scmamba.learn.training import MultiomicsObjectives, MultiomicsTraining
from scmamba.models import CellModel
from scmamba.tasks._multiomics.sizes import Order
from scmamba.train import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """How a network is made and trained; see :class:`MultiomicsTraining`."""

    training: MultiomicsTraining
    objectives: MultiomicsObjectives
    order: Order
    seed: int
    start: CellModel | None = None

    @property
    def config(self) -> TrainConfig:
        """Settings of the training loop."""
        training = self.training
        assert training.epochs is not None and training.learning_rate is not None
        assert training.batch_size is not None
        return TrainConfig(
            epochs=training.epochs,
            lr=training.learning_rate,
            batch_size=training.batch_size,
            weight_decay=0.02,
            warmup=0.05,
            clip=5.0,
            adversary_lr=2e-3,
            seed=self.seed,
        )
