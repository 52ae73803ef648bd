"""The one training loop: Lightning's, with callbacks, checkpoints and a time limit."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from scmamba._allocator import keep_freed_memory
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.train.budget import Cut, Pace, TimeBudget
from scmamba.train.callbacks import Bar, Best, History, TimeLimit, averaging
from scmamba.train.checkpoints import (
    BEST,
    LAST,
    Checkpoints,
    check_same_run,
    identify_run,
    read_checkpoint,
)
from scmamba.train.config import TrainConfig
from scmamba.train.data.epochs import EpochBatches
from scmamba.train.datamodule import EpochsDataModule
from scmamba.train.loggers import make_loggers
from scmamba.train.module import TrainingModule
from scmamba.train.objectives import Objective
from scmamba.train.result import FitResult
from scmamba.train.trainer import (
    interruptible,
    make_trainer,
    quiet,
    set_activation_checkpointing,
    set_modes,
)


def run(
    model: nn.Module,
    batches: EpochBatches,
    objectives: Sequence[Objective[Any, Any]],
    config: TrainConfig,
    *,
    budget: TimeBudget,
    text: str,
    folder: Path | None,
    callbacks: Sequence[Callback],
) -> FitResult:
    """Train ``model`` in place; the arguments are those of :func:`scmamba.train.train`."""
    keep_freed_memory()
    sharded = config.strategy == "fsdp"
    if sharded and folder is None:
        raise ScmambaError("strategy='fsdp' collects the weights in a checkpoint; give folder=")
    history, best = History(), Best(config.patience, in_memory=not sharded)
    watching: list[Callback] = [best] if batches.validates else []
    if config.ema:  # behind ``best``, which needs the averaged weights that were validated
        watching.append(averaging(config.ema, ramp=config.ema_ramp))
    limit = TimeLimit()
    watching += [history, limit, Bar(text), *callbacks]
    if folder is not None:
        watching.append(Checkpoints(folder, config, best))
    set_activation_checkpointing(model, config.activation_checkpointing)
    set_modes(model)
    with quiet(), interruptible(), torch.random.fork_rng():
        trainer = make_trainer(model, config, watching, make_loggers(config.loggers, folder))
        steps = batches.total_steps(config.accumulate_grad_batches, trainer.world_size)
        trained = copy.deepcopy(model) if sharded else model  # shards cannot be put back in place
        module = TrainingModule(trained, objectives, config, Pace(steps, budget))
        last = None if folder is None else folder / LAST
        if last is not None:
            module.run = identify_run(model, batches, objectives, config, trainer.world_size)
            if last.exists():
                check_same_run(last, module.run)
        trainer.fit(
            module,
            datamodule=EpochsDataModule(batches),
            ckpt_path=last if last and last.exists() else None,
            weights_only=True,
        )
    if best.weights:
        module.load_state_dict(best.weights)
    if sharded and folder is not None:
        model.load_state_dict(
            _weights(folder / (BEST if best.epoch and config.keep_best else LAST))
        )
    model.eval()
    epoch = best.epoch or len(history.rows)
    if not limit.stopped:
        return FitResult(history.frame, epoch)
    cut = Cut("epochs", config.epochs * trainer.global_step / steps, config.epochs, text)
    logger.info("time is over (max_minutes=%.3g): %s", budget.max_minutes, cut)
    return FitResult(history.frame, epoch, (cut,))


def _weights(file: Path) -> dict[str, torch.Tensor]:
    """Weights of the model in a checkpoint."""
    stored = read_checkpoint(file)["state_dict"]
    return {name.removeprefix("model."): tensor for name, tensor in stored.items()}
