"""Checkpoints of a training: when they are written, which are kept, and of which run they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import nn

from scmamba._errors import ScmambaError
from scmamba._files import writing
from scmamba.train.callbacks import Best
from scmamba.train.config import TrainConfig
from scmamba.train.data.epochs import EpochBatches
from scmamba.train.module import RUN
from scmamba.train.objectives import Objective

LAST, BEST = "last.ckpt", "best.ckpt"


class Checkpoints(Checkpoint):
    """Writes ``last.ckpt`` in time, keeps some of its predecessors, and the best epoch.

    Parameters
    ----------
    folder
        Where they are written.
    config
        When they are written and how many are kept.
    best
        Knows which epoch is the best so far.
    """

    def __init__(self, folder: Path, config: TrainConfig, best: Best) -> None:
        self.folder, self.config, self.best = folder, config, best
        self._step: int | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Know the step of the checkpoint that the run goes on from."""
        self._step = trainer.global_step if (self.folder / LAST).exists() else None

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write one every so many steps, but not where the epoch ends and another follows."""
        every, step = self.config.checkpoint_every_n_steps, trainer.global_step
        last = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
        if every and step % every == 0 and step > (self._step or 0) and not last:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write one after every so many epochs, and after the last."""
        epoch = trainer.current_epoch + 1
        over = epoch == self.config.epochs or trainer.should_stop
        if over or epoch % self.config.checkpoint_every_n_epochs == 0:
            self._save(trainer)
        if self.config.keep_best and self.best.epoch == epoch:
            trainer.save_checkpoint(self.folder / BEST)

    def _save(self, trainer: L.Trainer) -> None:
        last, kept = self.folder / LAST, self.config.keep_last - 1
        if kept and trainer.is_global_zero and last.exists() and self._step is not None:
            _keep(last, self.folder / f"step-{self._step:08d}.ckpt")
            for old in sorted(self.folder.glob("step-*.ckpt"))[:-kept]:
                old.unlink()
        with writing(last):
            trainer.save_checkpoint(last)
        self._step = trainer.global_step


def _keep(last: Path, path: Path) -> None:
    """Let ``path`` be the present ``last``, which is about to be replaced by a new file."""
    path.unlink(missing_ok=True)
    try:
        os.link(last, path)
    except OSError:  # a file system without links
        shutil.copyfile(last, path)


def identify_run(
    model: nn.Module,
    batches: EpochBatches,
    objectives: Sequence[Objective[Any, Any]],
    config: TrainConfig,
    world_size: int,
) -> dict[str, Any]:
    """Plain values that decide the outcome of a training, by what they stand for."""
    weights = {name: stored.detach().cpu() for name, stored in model.state_dict().items()}
    numbers = {n: t.reshape(-1).view(torch.uint8).numpy() for n, t in weights.items() if t.numel()}
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    return {
        "model": joblib.hash((numbers, trained)),
        "objectives": ", ".join(map(repr, objectives)),
        "processes": world_size,
        **batches.fingerprint(),
        **config.decisive,
    }


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Content of a checkpoint, on the CPU; no code in it is run.

    Raises
    ------
    ScmambaError
        It is damaged or no checkpoint.
    """
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        return dict(content)
    except Exception as error:
        raise ScmambaError(
            f"{file} cannot be read ({type(error).__name__}); it was truncated or changed, or is "
            "no checkpoint of this training: delete it to start over"
        ) from error


def check_same_run(file: Path, run: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another run, naming what differs.

    Raises
    ------
    ScmambaError
        It is damaged, or of other data, another start, other options or another seed.
    """
    found = read_checkpoint(file).get(RUN)
    if found is None:
        raise ScmambaError(
            f"{file} does not say which run it is of; delete it to start over, or give another "
            "folder"
        )
    differences = [
        _difference(name, found.get(name), run.get(name))
        for name in dict.fromkeys((*run, *found))
        if found.get(name) != run.get(name)
    ]
    if differences:
        raise ScmambaError(
            f"{file} is of another run: {'; '.join(differences)}. Give another folder, delete the "
            "checkpoint to start over, or call with what it was made with to go on from it"
        )


def _difference(name: str, there: Any, here: Any) -> str:
    if isinstance(here, str) and name not in ("precision", "stream"):
        return f"other {name}" if len(here) > 60 or name in _HASHED else f"{name} was {there!r}"
    return f"{name}={there!r} there, {here!r} here"


_HASHED = (
    "model",
    "data",
    "training examples",
    "validation examples",
    "masking and noise",
    "counts",
)
