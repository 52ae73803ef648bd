"""Train a cell model on cells in memory."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import lightning as L
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from scmamba._allocator import keep_freed_memory
from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.models.cell import CellModel
from scmamba.stream.batches import CellBatches
from scmamba.stream.data import CellData
from scmamba.train.callbacks import Bar, Best, Epochs, History, averaging
from scmamba.train.config import FitConfig
from scmamba.train.module import TrainingModule
from scmamba.train.objectives import Objective, check_objectives

_EVAL_FACTOR = 4  # validation needs no gradients: larger batches fit


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
        No objective is on, one needs a head that the model lacks, or ``last.ckpt`` is damaged.
    """
    keep_freed_memory()
    on = check_objectives(objectives, model.heads)
    train = _batches(data, train_rows, config, model, shuffle=True)
    validation = None
    if val_rows is not None:
        validation = _batches(data, val_rows, replace(config, max_tokens=None), model)
    module = TrainingModule(model, on, config, total_steps=config.epochs * len(train))
    history, best = History(), Best(config.patience)
    callbacks: list[Callback] = [Epochs(train, config)]
    if validation is not None:
        callbacks.append(best)  # before the averaging, which takes the validated weights away again
    if config.ema:
        callbacks.append(averaging(config.ema))
    callbacks += [history, Bar(text, module.total_steps, train)]
    resume = None
    if folder is not None:
        resume = Path(folder) / "last.ckpt"
        _check_readable(resume)
        callbacks.append(_after_each_epoch(resume))
    with _quiet(), _interruptible(), torch.random.fork_rng():
        trainer = L.Trainer(
            max_epochs=config.epochs,
            accelerator=_accelerator(model),
            devices=1,
            gradient_clip_val=config.clip,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=folder is not None,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        trainer.fit(
            module,
            train,
            validation,
            ckpt_path=resume if resume and resume.exists() else None,
            weights_only=True,
        )
    if best.weights:
        module.load_state_dict(best.weights)
    model.eval()
    return FitResult(history.frame, best.epoch or config.epochs)


def _batches(
    data: CellData,
    rows: npt.NDArray[np.int64],
    config: FitConfig,
    model: CellModel,
    shuffle: bool = False,
) -> CellBatches:
    return CellBatches(
        data,
        rows,
        batch_size=config.batch_size * (1 if shuffle else _EVAL_FACTOR),
        shuffle=shuffle,
        max_tokens=config.max_tokens,
        mask_ratio=config.mask_ratio,
        mask_value=model.config.mask_value,
        seed=config.seed,
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


def _accelerator(model: CellModel) -> str:
    kind = next(model.parameters()).device.type
    return {"cuda": "gpu"}.get(kind, kind)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C through as KeyboardInterrupt: Lightning exits, and leaves SIGINT ignored."""
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as stop:
        if main:
            signal.signal(signal.SIGINT, handler)
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
