"""The one training module: a model, its objectives, AdamW with warm-up and cosine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, Self

import lightning as L
import torch
from torch import Tensor, nn

from scmamba.train.config import TrainConfig
from scmamba.train.objectives import Objective, total


class Batch(Protocol):
    """Cells or sequences that share a step.

    Attributes
    ----------
    labels
        (B,) int64 classes, for the accuracy, or None.
    weight
        Factor of the loss.
    """

    @property
    def labels(self) -> Tensor | None: ...
    @property
    def weight(self) -> float: ...

    def __len__(self) -> int: ...

    def to(self, device: torch.device) -> Self:
        """The batch on ``device``."""

    def run(self, model: Any, heads: set[str]) -> Any:
        """What ``model`` makes of the batch, with an attribute ``class_logits`` (or None)."""


class TrainingModule(L.LightningModule):
    """Trains the parameters of ``model`` that take gradients.

    Parameters
    ----------
    model
        Changed in place.
    objectives
        Those that are on.
    config
        Rates and seeds.
    total_steps
        Steps of the whole training, for the schedule.
    """

    def __init__(
        self,
        model: nn.Module,
        objectives: Sequence[Objective],
        config: TrainConfig,
        total_steps: int,
    ) -> None:
        super().__init__()
        self.model, self.objectives = model, tuple(objectives)
        self.config, self.total_steps = config, total_steps

    def _losses(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor | None]:
        output = batch.run(self.model, {o.head for o in self.objectives if o.head})
        return {o.name: o(output, batch) for o in self.objectives}, output.class_logits

    def on_train_epoch_start(self) -> None:
        """Seed each epoch by itself, so that a resumed run continues as if never stopped."""
        torch.manual_seed(self.config.seed * 100_003 + self.current_epoch)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Weighted sum of the objectives on one batch, times the batch's own weight."""
        losses, _ = self._losses(batch)
        loss = total(losses, self.objectives)
        logged = {f"train_{name}": value for name, value in losses.items()}
        self.log_dict(
            {**logged, "train_loss": loss}, on_step=False, on_epoch=True, batch_size=len(batch)
        )
        return loss * batch.weight

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The same on held-out examples, and their accuracy where there are labels."""
        losses, logits = self._losses(batch)
        logged = {f"val_{name}": value for name, value in losses.items()}
        if logits is not None and batch.labels is not None:
            logged["val_accuracy"] = (logits.argmax(1) == batch.labels).float().mean()
        self.log_dict({**logged, "val_loss": total(losses, self.objectives)}, batch_size=len(batch))

    def configure_optimizers(self) -> Any:
        """AdamW; weight decay spares vectors: biases, norms, decay rates.

        A batch discriminator that has a rate of its own keeps it to the end: an adversary that
        slows down with the rest would be fooled for free.
        """
        rival = getattr(self.model, "batch_discriminator", None)
        rate = self.config.adversary_lr
        apart = [] if rival is None or rate is None else list(rival.parameters())
        away = set(map(id, apart))
        trained = [p for p in self.model.parameters() if p.requires_grad and id(p) not in away]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.ndim > 1]},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
        factors = [self._factor, self._factor]
        if apart:
            groups.append({"params": apart, "lr": rate, "weight_decay": 0.0})
            factors.append(lambda step: 1.0)
        optimizer = torch.optim.AdamW(
            groups, lr=self.config.lr, weight_decay=self.config.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _factor(self, step: int) -> float:
        share, warmup = step / self.total_steps, self.config.warmup
        if share < warmup:
            first = self.config.warmup_from
            return first + (1 - first) * (step + 1) / (warmup * self.total_steps + 1)
        return 0.5 * (1 + math.cos(math.pi * min((share - warmup) / (1 - warmup), 1.0)))

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Lightning does not know our batches."""
        return batch.to(device)
