"""What happens around training steps: averaged weights, the curve, the best epoch, the bar."""

from __future__ import annotations

from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn
from tqdm.auto import tqdm

from scmamba._log import logger
from scmamba._settings import settings
from scmamba.nn.adversary import GradientReversal


def averaging(decay: float, *, ramp: bool = False) -> WeightAveraging:
    """Exponential moving average of the weights: validated during training, kept after it.

    Parameters
    ----------
    decay
        Weight of the average so far, in (0, 1).
    ramp
        Begin with less: after n steps (1 + n) / (10 + n), until that is more than ``decay``.
    """

    def average(averaged: list[Tensor], current: list[Tensor], n_averaged: Tensor | int) -> None:
        n = int(n_averaged)
        used = min(decay, (1 + n) / (10 + n)) if ramp else decay
        get_ema_multi_avg_fn(used)(averaged, current, n_averaged)

    return WeightAveraging(use_buffers=True, multi_avg_fn=average)


class History(Callback):
    """Collects one row of losses an epoch; a resumed run keeps the rows from before."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add the epoch's means."""
        logged = {k: float(v) for k, v in trainer.callback_metrics.items()}
        self.rows.append({"epoch": trainer.current_epoch + 1, **logged})

    def state_dict(self) -> dict[str, Any]:
        """Rows so far, for the checkpoint."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Rows from a checkpoint."""
        self.rows = list(state_dict["rows"])

    @property
    def frame(self) -> pd.DataFrame:
        """One row an epoch, indexed by it from 1."""
        return pd.DataFrame(self.rows, columns=None if self.rows else ["epoch"]).set_index("epoch")


class Best(Callback):
    """Keeps the weights of the epoch with the lowest validation loss, and stops when it is past."""

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.score, self.epoch = float("inf"), 0
        self.weights: dict[str, torch.Tensor] = {}

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare, while the module still holds the averaged weights that were validated."""
        score, epoch = float(trainer.callback_metrics["val_loss"]), trainer.current_epoch + 1
        if score < self.score or not self.weights:
            self.score, self.epoch = score, epoch
            self.weights = {k: v.detach().clone() for k, v in pl_module.state_dict().items()}
        elif self.patience is not None and epoch - self.epoch >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """What was best so far, for the checkpoint."""
        return {"score": self.score, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What was best in a checkpoint."""
        self.score, self.epoch = state_dict["score"], state_dict["epoch"]
        self.weights = dict(state_dict["weights"])


class Ramp(Callback):
    """Lets an adversary in slowly: its gradient counts from ``start`` on, fully from ``full`` on.

    Parameters
    ----------
    reversal
        Whose ``scale`` is set before every step.
    total
        Steps of the whole training.
    start, full
        Shares of all steps.
    """

    def __init__(
        self, reversal: GradientReversal, total: int, start: float = 0.1, full: float = 0.5
    ) -> None:
        self.reversal, self.total, self.start, self.full = reversal, total, start, full

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the scale of this step."""
        share = (trainer.global_step / self.total - self.start) / (self.full - self.start)
        self.reversal.scale = min(max(share, 0.0), 1.0)


class Bar(Callback):
    """One progress bar over all steps, with the loss and the share of padding beside it."""

    def __init__(self, text: str, total: int) -> None:
        self.text, self.total = text, total
        self.bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the bar, at the step a resumed run is at."""
        self.bar = tqdm(
            desc=self.text,
            total=self.total,
            initial=trainer.global_step,
            leave=False,
            unit="step",
            disable=settings.verbosity in ("error", "warning"),
        )

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move on by one step."""
        assert self.bar is not None
        self.bar.update()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the epoch's losses and its share of padding."""
        assert self.bar is not None
        batches = trainer.train_dataloader
        padding = f"{batches.padding_share:.1%}"
        logger.debug("%s: %d steps an epoch, padding %s", self.text, len(batches), padding)
        shown = ("train_loss", "val_loss", "val_accuracy")
        logged = {k: f"{float(v):.3f}" for k, v in trainer.callback_metrics.items() if k in shown}
        self.bar.set_postfix({**logged, "padding": padding})

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Close the bar, after an error too."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
