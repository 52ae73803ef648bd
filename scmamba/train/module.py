"""The one training module: a model, its objectives, AdamW with warm-up and cosine."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import lightning as L
import torch
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.train.budget import Pace
from scmamba.train.config import TrainConfig
from scmamba.train.objectives import Objective, total
from scmamba.train.optim import lr_factor

RUN = "scmamba_run"
"""Where a checkpoint says which run it is of."""


class NotFinite(ScmambaError):
    """The loss is no longer a finite number."""


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
    def labels(self) -> Tensor | None:
        """Classes of the rows, or None."""

    @property
    def weight(self) -> float:
        """Factor of the loss."""

    def __len__(self) -> int:
        """Return how many there are."""

    def to(self, device: torch.device) -> Self:
        """Return the batch on ``device``."""

    def run(self, model: Any, heads: set[str]) -> Any:
        """Output of ``model`` for the batch, with an attribute ``class_logits`` (or None)."""


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
    pace
        Steps of the whole training, for the schedule, as far as time allows.
    run
        What the run is made of; it is written to each checkpoint.
    """

    def __init__(
        self,
        model: nn.Module,
        objectives: Sequence[Objective[Any, Any]],
        config: TrainConfig,
        pace: Pace,
        run: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.objectives = model, tuple(objectives)
        self.config, self.pace = config, pace
        self.run = dict(run or {})
        # by name, since sharded weights are flat
        self._decayed = {name for name, p in model.named_parameters() if p.ndim > 1}

    def _losses(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor | None]:
        output = batch.run(self.model, {o.head for o in self.objectives if o.head})
        return {o.name: o(output, batch) for o in self.objectives}, output.class_logits

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seed each batch by itself, so that a resumed run continues as if never stopped."""
        epoch = self.config.seed * 100_003 + self.current_epoch
        torch.manual_seed((epoch * 1_000_003 + batch_idx) * 1_009 + self.global_rank)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Weighted sum of the objectives on one batch, times the batch's own weight.

        Raises
        ------
        ScmambaError
            The loss is not a finite number.
        """
        losses, _ = self._losses(batch)
        loss = total(losses, self.objectives)
        names = (*losses, "loss")
        numbers = torch.stack([*losses.values(), loss]).detach().float().tolist()
        values = dict(zip(names, numbers, strict=True))
        if not math.isfinite(values["loss"]):
            self._refuse(values, batch_idx)
        return {"loss": loss * batch.weight, "values": values, "n_examples": len(batch)}

    def _refuse(self, values: Mapping[str, float], batch_idx: int) -> None:
        found = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        raise NotFinite(
            f"the loss is no longer a finite number (epoch {self.current_epoch + 1}, batch "
            f"{batch_idx + 1}: {found}); the weights of this step were not changed. Lower the "
            f"learning rate (lr={self.config.lr:g}) or the largest gradient norm "
            f"(clip={self.config.clip:g}), and check that the data hold no NaN or infinite values"
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the losses of held-out examples, and their accuracy where there are labels."""
        losses, logits = self._losses(batch)
        logged = {f"val_{name}": value for name, value in losses.items()}
        if logits is not None and batch.labels is not None:
            known = batch.labels >= 0
            if known.any():
                right = logits.argmax(1)[known] == batch.labels[known]
                logged["val_accuracy"] = right.float().mean()
        self.log_dict(
            {**logged, "val_loss": total(losses, self.objectives)},
            batch_size=len(batch),
            sync_dist=self.trainer.world_size > 1,
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write down which run this is."""
        checkpoint[RUN] = self.run

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the gradient; of sharded weights, over all processes."""
        sharded = getattr(self.trainer.strategy.model, "clip_grad_norm_", None)
        if sharded is not None:
            sharded(gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def configure_optimizers(self) -> Any:
        """AdamW without weight decay of vectors: biases, norms, decay rates.

        A batch discriminator that has a rate of its own keeps it to the end: an adversary that
        slows down with the rest would be fooled for free.
        """
        rival = dict(getattr(self.model, "heads", {}).items()).get("adversary")
        rate = self.config.adversary_lr
        apart = [] if rival is None or rate is None else list(rival.parameters())
        away = set(map(id, apart))
        decayed: list[nn.Parameter] = []
        vectors: list[nn.Parameter] = []
        for name, parameter in self.model.named_parameters():
            if parameter.requires_grad and id(parameter) not in away:
                plain = name.replace("_fsdp_wrapped_module.", "")
                (decayed if plain in self._decayed else vectors).append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": decayed},
            {"params": vectors, "weight_decay": 0.0},
        ]
        factors: Any = [self._factor, self._factor]
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
        return lr_factor(step, self.pace, self.config)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move a batch, whose class Lightning does not know."""
        return batch.to(device)
