"""Train a model; the one loop, and its use for cells in memory."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import nn

from scmamba._allocator import keep_freed_memory
from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.models.cell.model import CellModel
from scmamba.models.device import precision
from scmamba.nn.stack import Stack
from scmamba.stream.batches import CellBatches
from scmamba.stream.data import CellData
from scmamba.train.batches import EpochBatches, FitBatches
from scmamba.train.callbacks import Bar, Best, History, averaging
from scmamba.train.config import FitConfig, TrainConfig
from scmamba.train.module import TrainingModule
from scmamba.train.objectives import Objective, check_objectives


@dataclass(frozen=True)
class FitResult:
    """What training did.

    Attributes
    ----------
    history
        One row an epoch: ``train_loss``, ``val_loss``, each objective, ``val_accuracy``.
    best_epoch
        The epoch (from 1) whose weights the model holds now.
    """

    history: pd.DataFrame
    best_epoch: int


def fit(
    model: CellModel,
    data: CellData,
    train_rows: npt.NDArray[np.int64],
    objectives: Sequence[Objective],
    config: FitConfig,
    *,
    val_rows: npt.NDArray[np.int64] | None = None,
    text: str = "training",
    folder: str | Path | None = None,
) -> FitResult:
    """Train ``model`` in place, on its device.

    Parameters
    ----------
    model
        Its parameters that take gradients are trained.
    data
        All cells.
    train_rows, val_rows
        Positions of the cells to learn from, and of those that choose the epoch. Without
        ``val_rows`` all epochs are run and the last weights stay.
    objectives
        Loss terms; those of weight 0 are left out.
    config
        Rates, sizes, seed.
    text
        What the progress bar says.
    folder
        Where to keep ``last.ckpt``, written after every epoch; a run that finds it there goes on
        from it. None: nothing is kept.

    Raises
    ------
    ScmambaError
        No objective is on, one needs a head that the model lacks, a batch would hold too few
        cells, or ``last.ckpt`` is damaged.
    """
    on = check_objectives(objectives, model.heads)
    batches = FitBatches(data, train_rows, val_rows, config, model.config.mask_value)
    _check_sizes(batches.epoch(0), model)
    return train(model, batches, on, config, text=text, folder=folder)


def train(
    model: nn.Module,
    batches: EpochBatches,
    objectives: Sequence[Objective],
    config: TrainConfig,
    *,
    text: str = "training",
    folder: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> FitResult:
    """Train ``model`` in place on batches of whatever kind; :func:`fit` is this for cells.

    Parameters
    ----------
    model
        Its parameters that take gradients are trained.
    batches
        Of every epoch, and to validate on.
    objectives
        Those that are on.
    config
        Rates, sizes, seed.
    text, folder
        As in :func:`fit`.
    callbacks
        What else looks on, Lightning's way.
    """
    keep_freed_memory()
    module = TrainingModule(model, objectives, config, batches.total_steps)
    history, best = History(), Best(config.patience)
    watching: list[Callback] = []
    if batches.validates:
        watching.append(best)  # before the averaging, which takes the validated weights away again
    if config.ema:
        watching.append(averaging(config.ema, ramp=config.ema_ramp))
    watching += [history, Bar(text, module.total_steps), *callbacks]
    resume = None
    if folder is not None:
        resume = Path(folder) / "last.ckpt"
        _check_readable(resume)
        watching.append(_after_each_epoch(resume))
    for stack in model.modules():
        if isinstance(stack, Stack):
            stack.checkpointing = config.activation_checkpointing
    _set_modes(model)
    with _quiet(), _interruptible(), torch.random.fork_rng():
        trainer = L.Trainer(
            max_epochs=config.epochs,
            accelerator=_accelerator(model),
            precision="bf16-mixed" if precision(_device(model)) else "32-true",
            devices=1,
            gradient_clip_val=config.clip,
            callbacks=watching,
            logger=False,
            enable_checkpointing=folder is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            reload_dataloaders_every_n_epochs=1,
        )
        trainer.fit(
            module,
            datamodule=batches,
            ckpt_path=resume if resume and resume.exists() else None,
            weights_only=True,
        )
    if best.weights:
        module.load_state_dict(best.weights)
    model.eval()
    return FitResult(history.frame, best.epoch or config.epochs)


def _set_modes(model: nn.Module) -> None:
    """Training mode, which Lightning leaves to its caller, but for parts that are frozen."""
    model.train()
    for module in model.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()


def _check_sizes(batches: CellBatches, model: CellModel) -> None:
    smallest = min(map(len, batches.buckets), default=0)
    if smallest < (2 if model.config.cell_norm else 1):
        raise ScmambaError(
            f"{len(batches.rows)} cell(s) to learn from, {smallest} in the smallest batch; "
            "allowed: at least 1, and 2 where the model norms its cell embeddings"
        )


def _after_each_epoch(file: Path) -> ModelCheckpoint:
    """Write ``file`` anew behind each epoch, once the other callbacks have had their turn."""
    return ModelCheckpoint(
        file.parent,
        file.stem,
        save_top_k=1,  # with 0, ``save_last`` writes nothing before training ends
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


def _check_readable(file: Path) -> None:
    if not file.exists():
        return
    try:
        torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ScmambaError(
            f"{file} cannot be read ({type(error).__name__}); it was truncated or changed, or is "
            "no checkpoint of this training: delete it to start over"
        ) from error


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _accelerator(model: nn.Module) -> str:
    kind = _device(model).type
    return {"cuda": "gpu"}.get(kind, kind)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C through as KeyboardInterrupt: Lightning exits, and leaves SIGINT ignored."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as stop:
        if main:  # a handler that C code has set reads as None, and cannot be put back
            known = signal.default_int_handler if handler is None else handler
            signal.signal(signal.SIGINT, known)
        raise KeyboardInterrupt from stop


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's own chatter is for people who wrote the loop; errors still come through."""
    loggers = [logging.getLogger(n) for n in ("lightning.pytorch", "lightning.fabric")]
    before = [item.level for item in loggers]
    for item in loggers:
        item.setLevel(logging.ERROR if settings.verbosity != "debug" else logging.DEBUG)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for item, level in zip(loggers, before, strict=True):
            item.setLevel(level)
