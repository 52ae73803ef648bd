"""What happens around training steps: averaged weights, history, best epoch, progress bar."""

from __future__ import annotations

import time
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, WeightAveraging
from tqdm import tqdm

from scmamba._log import logger
from scmamba._progress import progress_bar
from scmamba.nn.heads import GradientReversal
from scmamba.stream.batches import Batches
from scmamba.train.budget import Pace
from scmamba.train.optim import linear_ramp, moving_average

HISTORY = "scmamba_history"
"""Where a checkpoint keeps the losses so far."""


def averaging(decay: float, *, ramp: bool = False) -> WeightAveraging:
    """Exponential moving average of the weights: validated during training, kept after it.

    Parameters
    ----------
    decay
        Weight of the average so far in each step, in (0, 1).
    ramp
        Whether the decay after n steps is (1 + n) / (10 + n), until that is more than ``decay``.
    """
    return WeightAveraging(use_buffers=True, multi_avg_fn=moving_average(decay, ramp=ramp))


class History(Callback):
    """Collects one row of losses per epoch; a resumed run keeps the rows from before.

    Attributes
    ----------
    rows
        ``epoch``, ``train_<objective>``, ``train_loss`` (means over the epoch's examples) and,
        where something is held out, ``val_<objective>``, ``val_loss``, perhaps ``val_accuracy``.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._sums: dict[str, float] = {}
        self._n = 0.0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Add the batch's losses; send them to the loggers."""
        n = outputs["n_examples"]
        for name, value in outputs["values"].items():
            self._sums[name] = self._sums.get(name, 0.0) + n * value
        self._n += n
        if trainer.loggers:
            rate = trainer.optimizers[0].param_groups[0]["lr"]
            step = {"step_loss": outputs["values"]["loss"], "learning_rate": rate}
            pl_module.log_dict(step, on_step=True, on_epoch=False, batch_size=n)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add the epoch's means."""
        sums, n = self._over_processes(trainer)
        means = {f"train_{name}": value / n for name, value in sums.items()}
        pl_module.log_dict(means)
        held_out = {k: float(v) for k, v in trainer.callback_metrics.items() if k[:4] == "val_"}
        self.rows.append({"epoch": trainer.current_epoch + 1, **means, **held_out})
        self._sums, self._n = {}, 0.0

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write the rows so far, and the sums of an epoch that is not over."""
        sums, n = self._over_processes(trainer)
        checkpoint[HISTORY] = {"rows": self.rows, "sums": sums, "n": n}

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on from a checkpoint."""
        found, world = checkpoint[HISTORY], trainer.world_size
        self.rows = list(found["rows"])
        self._sums = {name: value / world for name, value in found["sums"].items()}
        self._n = found["n"] / world

    def _over_processes(self, trainer: L.Trainer) -> tuple[dict[str, float], float]:
        """Return the sums and the number of examples of all processes."""
        if trainer.world_size == 1:
            return self._sums, self._n
        own = torch.tensor([*self._sums.values(), self._n], device=trainer.strategy.root_device)
        *sums, n = trainer.strategy.reduce(own, reduce_op="sum").tolist()
        return dict(zip(self._sums, sums, strict=True)), n

    @property
    def frame(self) -> pd.DataFrame:
        """One row per epoch, indexed by it from 1."""
        return pd.DataFrame(self.rows, columns=None if self.rows else ["epoch"]).set_index("epoch")


class Best(Callback):
    """Keeps the weights of the epoch with the lowest validation loss; stops when it is past.

    Parameters
    ----------
    patience
        Epochs without a better validation loss before training stops; None: never.
    in_memory
        Whether the weights are kept here; sharded ones cannot be.
    """

    def __init__(self, patience: int | None, *, in_memory: bool = True) -> None:
        self.patience, self.in_memory = patience, in_memory
        self.score, self.epoch = float("inf"), 0
        self.weights: dict[str, torch.Tensor] = {}

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Compare, while the module still holds the averaged weights that were validated."""
        score, epoch = float(trainer.callback_metrics["val_loss"]), trainer.current_epoch + 1
        if score < self.score or not self.epoch:
            self.score, self.epoch = score, epoch
            if self.in_memory:
                state = pl_module.state_dict()
                self.weights = {k: v.detach().clone() for k, v in state.items()}
        elif self.patience is not None and epoch - self.epoch >= self.patience:
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far, for the checkpoint."""
        return {"score": self.score, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Return the best of a checkpoint."""
        self.score, self.epoch = state_dict["score"], state_dict["epoch"]
        self.weights = dict(state_dict["weights"])


class Ramp(Callback):
    """Brings an adversary in slowly: its gradient is scaled from 0 at ``start`` to 1 at ``full``.

    Parameters
    ----------
    reversal
        Layer whose ``scale`` is set before every step.
    start, full
        Fractions of the training.

    Examples
    --------
    >>> from scmamba.nn.heads.adversary import GradientReversal
    >>> from scmamba.train import Ramp
    >>> Ramp(GradientReversal(), start=0.1, full=0.5).full
    0.5
    """

    def __init__(self, reversal: GradientReversal, start: float = 0.1, full: float = 0.5) -> None:
        self.reversal, self.start, self.full = reversal, start, full

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the scale of this step."""
        progress = _pace(pl_module).progress(trainer.global_step)
        self.reversal.scale = linear_ramp(progress, self.start, self.full)


class TimeLimit(Callback):
    """Stops training at the step at which its time is over, with time left to validate.

    Attributes
    ----------
    stopped
        Whether it did.
    """

    def __init__(self) -> None:
        self.stopped, self._validation_start = False, 0.0

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Time the step."""
        _pace(pl_module).update(trainer.global_step)
        self._stop_if_over(trainer, _pace(pl_module))

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start to time a validation."""
        self._validation_start = _pace(pl_module).budget.seconds_used

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep as much time for the last one, which may have been this."""
        pace = _pace(pl_module)
        pace.reserve = pace.budget.seconds_used - self._validation_start
        self._stop_if_over(trainer, pace)

    def _stop_if_over(self, trainer: L.Trainer, pace: Pace) -> None:
        """Ask Lightning to stop; all processes follow the clock of the first."""
        over = pace.over(trainer.global_step)
        if trainer.world_size > 1 and pace.budget.limited:
            pace.total, over = trainer.strategy.broadcast((pace.total, over))
        if over and trainer.global_step < pace.planned:
            self.stopped = trainer.should_stop = True


def _pace(module: L.LightningModule) -> Pace:
    assert isinstance(module.pace, Pace)
    return module.pace


class Bar(Callback):
    """One progress bar over all steps, with losses and examples per second; removed in the end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.bar: tqdm[Any] | None = None
        self._shown: dict[str, str] = {}
        self._seen, self._start = 0, 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the bar, at the step that a resumed run is at."""
        self._seen, self._start = 0, time.monotonic()
        if trainer.is_global_zero:
            self.bar = progress_bar(self.text, _pace(pl_module).planned, done=trainer.global_step)

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move on to the step that was taken, of those that there is time for."""
        self._seen += outputs["n_examples"] * trainer.world_size
        if self.bar is not None:
            seconds = time.monotonic() - self._start
            self._shown["examples/s"] = f"{self._seen / max(seconds, 1e-9):,.0f}"
            self.bar.set_postfix(self._shown, refresh=False)
            self.bar.total = round(_pace(pl_module).total)
            self.bar.update(trainer.global_step - self.bar.n)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the epoch's losses."""
        batches, found = trainer.train_dataloader, trainer.callback_metrics
        if isinstance(batches, Batches):
            padding = f"{batches.padding_share:.1%}"
            logger.debug("%s: %d steps an epoch, padding %s", self.text, len(batches), padding)
        shown = {say: f"{float(found[k]):.3f}" for k, say in _SHOWN.items() if k in found}
        self._shown |= shown

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Close the bar, after an error too."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


_SHOWN = {
    "train_loss": "loss",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
}
