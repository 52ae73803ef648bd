"""Lightning's trainer for a configuration: devices, strategy, precision; quiet, and stoppable."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.precision import FSDPPrecision
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, Strategy
from torch import nn

from scmamba._log import logger
from scmamba._settings import settings
from scmamba.models.device import precision
from scmamba.nn.block import Block
from scmamba.nn.sequence_stack import SequenceLayer, SequenceStack
from scmamba.nn.stack import Stack
from scmamba.train.config import TrainConfig


def make_trainer(
    model: nn.Module,
    config: TrainConfig,
    callbacks: Sequence[Callback],
    loggers: Sequence[Logger],
) -> L.Trainer:
    """Make a trainer that runs ``config`` on the device of ``model`` or where it says."""
    return L.Trainer(
        max_epochs=config.epochs,
        accelerator=_accelerator(model) if config.accelerator == "auto" else config.accelerator,
        devices=config.devices,
        strategy=make_strategy(config),
        num_nodes=config.num_nodes,
        **_precision_options(model, config),
        accumulate_grad_batches=config.accumulate_grad_batches,
        gradient_clip_val=config.clip,
        callbacks=list(callbacks),
        logger=list(loggers) or False,
        log_every_n_steps=config.log_every_n_steps,
        enable_checkpointing=any(isinstance(one, Checkpoint) for one in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        reload_dataloaders_every_n_epochs=1,
    )


def make_strategy(config: TrainConfig) -> Strategy | str:
    """Lightning's strategy of a configuration; heads that a loss leaves out are allowed."""
    if config.strategy == "fsdp":
        return FSDPStrategy(auto_wrap_policy={Block, SequenceLayer}, use_orig_params=True)
    if config.strategy == "ddp" or config.devices != 1 or config.num_nodes > 1:
        return DDPStrategy(find_unused_parameters=True)
    return "auto"


def set_modes(model: nn.Module) -> None:
    """Training mode, which Lightning leaves to its caller, except for parts that are frozen."""
    model.train()
    for module in model.modules():
        own = list(module.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()


def set_activation_checkpointing(model: nn.Module, on: bool) -> None:
    """Let all Mamba layers recompute their activations; log it where there are none to do so."""
    stacks = [m for m in model.modules() if isinstance(m, Stack | SequenceStack)]
    for stack in stacks:
        stack.checkpointing = on
    if on and not any(len(stack.layers) for stack in stacks):
        logger.warning(
            "activation_checkpointing=True has no effect: %s has no Mamba layers",
            type(model).__name__,
        )


def device_of(model: nn.Module) -> torch.device:
    """Device of the first parameter."""
    return next(model.parameters()).device


def _accelerator(model: nn.Module) -> str:
    kind = device_of(model).type
    return {"cuda": "gpu"}.get(kind, kind)


class _ShardedPrecision(FSDPPrecision):
    """Leaves batches as they are: Lightning's own refuses frozen ones.

    FSDP itself casts what goes into a wrapped module.
    """

    def convert_input(self, data: Any) -> Any:
        """Return ``data``."""
        return data


def _precision_options(model: nn.Module, config: TrainConfig) -> dict[str, Any]:
    precision = _precision(model, config)
    if config.strategy == "fsdp":
        return {"plugins": [_ShardedPrecision(precision)]}
    return {"precision": precision}


def _precision(model: nn.Module, config: TrainConfig) -> Any:
    if config.precision != "auto":
        return config.precision
    return "bf16-mixed" if precision(device_of(model)) else "32-true"


@contextmanager
def interruptible() -> Iterator[None]:
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
def quiet() -> Iterator[None]:
    """Lightning's own log lines are for people who write loops; errors still come through."""
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
