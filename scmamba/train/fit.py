"""Train a model: one loop, and its uses for cells and for sequences in memory."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from scmamba._allocator import keep_freed_memory
from scmamba._errors import ScmambaError
from scmamba.models import CellModel
from scmamba.stream.batches import Ints
from scmamba.stream.data import CellData
from scmamba.stream.sequences import SequenceData
from scmamba.tokens.sequence_masking import TokenMasking
from scmamba.train.callbacks import Bar, Best, History, averaging
from scmamba.train.checkpoints import (
    BEST,
    LAST,
    Checkpoints,
    check_same_run,
    identify_run,
    read_checkpoint,
)
from scmamba.train.config import FitConfig, SequenceFitConfig, TrainConfig
from scmamba.train.data import CellEpochs, EpochBatches, SequenceEpochs
from scmamba.train.loggers import make_loggers
from scmamba.train.module import TrainingModule
from scmamba.train.objectives import Objective, check_objectives
from scmamba.train.trainer import (
    interruptible,
    make_trainer,
    quiet,
    set_activation_checkpointing,
    set_modes,
)


@dataclass(frozen=True)
class FitResult:
    """How a training went.

    Attributes
    ----------
    history
        One row per epoch: ``train_loss``, ``val_loss``, each objective, ``val_accuracy``.
    best_epoch
        The epoch (from 1) whose weights the model has now.
    """

    history: pd.DataFrame
    best_epoch: int


def fit(
    model: CellModel,
    data: CellData,
    train_rows: Ints,
    objectives: Sequence[Objective[Any, Any]],
    config: FitConfig,
    *,
    val_rows: Ints | None = None,
    text: str = "training",
    folder: str | os.PathLike[str] | None = None,
) -> FitResult:
    """Train a cell model in place, on its device.

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
    text, folder
        As in :func:`train`.

    Raises
    ------
    ScmambaError
        No objective is on, one needs a head that the model lacks, a batch would hold too few
        cells, the loss is no longer finite, or ``last.ckpt`` is damaged or of another run.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba import settings
    >>> from scmamba.models import CellModel, preset
    >>> from scmamba.stream import CellData
    >>> from scmamba.tokens import Vocab, tokenize
    >>> from scmamba.train import GEP, FitConfig, fit
    >>> settings.verbosity = "error"
    >>> counts = sparse.csr_matrix(np.random.default_rng(0).poisson(2.0, (12, 5)))
    >>> tokens = tokenize(counts, np.arange(5), n_bins=None)
    >>> data = CellData(tokens, Vocab(list("abcde")), cls_value=0.0, pad_value=-2.0)
    >>> sizes = {"d_model": 8, "n_layer": 1, "d_state": 4, "headdim": 4, "pool_heads": 2}
    >>> model = CellModel(preset("mini", n_genes=8, value_type="lognorm", **sizes))
    >>> config = FitConfig(epochs=2, mask_ratio=0.3)
    >>> fit(model, data, np.arange(12), [GEP()], config).history.shape
    (2, 2)
    """
    on = check_objectives(objectives, tuple(model.heads))
    batches = CellEpochs(data, train_rows, val_rows, config, model.config.encoder.mask_value)
    smallest = min(map(len, batches.epoch(0).parts), default=0)
    if smallest < (2 if model.cell_norm else 1):
        raise ScmambaError(
            f"{len(train_rows)} cell(s) to learn from, {smallest} in the smallest batch; "
            "allowed: at least 1, and 2 where the model norms its cell embeddings"
        )
    return train(model, batches, on, config, text=text, folder=folder)


def fit_sequences(
    network: nn.Module,
    data: SequenceData,
    train_rows: Ints,
    objectives: Sequence[Objective[Any, Any]],
    config: SequenceFitConfig,
    *,
    val_rows: Ints | None = None,
    masking: TokenMasking | None = None,
    replaceable: Ints | None = None,
    text: str = "training",
    folder: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
) -> FitResult:
    """Train a network of sequences in place, on its device.

    Parameters
    ----------
    network
        Called with (input_ids, padding_mask); its parameters that take gradients are trained.
    data
        All sequences.
    train_rows, val_rows
        Positions of those to learn from, and of those that choose the epoch. Without ``val_rows``
        all epochs are run and the last weights stay.
    objectives
        Loss terms.
    config
        Rates, sizes, strands, seed.
    masking
        Tokens to hide, which become the target.
    replaceable
        Ids that ``config.noise`` may replace, and that stand in.
    text, folder, callbacks
        As in :func:`train`.

    Raises
    ------
    ScmambaError
        Both strands are asked for and there is but one, the loss is no longer finite, or
        ``last.ckpt`` is damaged or of another run.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba import settings
    >>> from scmamba.models import SequenceModel
    >>> from scmamba.stream import SequenceData
    >>> from scmamba.train import NextToken, SequenceFitConfig, fit_sequences
    >>> settings.verbosity = "error"
    >>> sizes = {"d_model": 8, "n_layer": 1, "d_state": 4}
    >>> model = SequenceModel.from_preset("nt-mamba", **sizes)
    >>> data = SequenceData(tuple(np.array([1, 2, 3, 4]) for _ in range(6)), pad_id=0)
    >>> config = SequenceFitConfig(epochs=1, ema=0.0)
    >>> fit_sequences(model, data, np.arange(6), [NextToken((1, 2, 3, 4))], config).best_epoch
    1
    """
    if config.both_strands and data.other is None:
        raise ScmambaError(
            "both_strands=True, but these sequences have no other strand: RNA has none"
        )
    batches = SequenceEpochs(data, train_rows, val_rows, config, masking, replaceable)
    return train(
        network, batches, objectives, config, text=text, folder=folder, callbacks=callbacks
    )


def train(
    model: nn.Module,
    batches: EpochBatches,
    objectives: Sequence[Objective[Any, Any]],
    config: TrainConfig,
    *,
    text: str = "training",
    folder: str | os.PathLike[str] | None = None,
    callbacks: Sequence[Callback] = (),
) -> FitResult:
    """Train ``model`` in place on batches of any kind.

    Parameters
    ----------
    model
        Its parameters that take gradients are trained.
    batches
        Batches of every epoch, and those to validate on.
    objectives
        Loss terms that are on.
    config
        Rates, sizes, devices, checkpoints, seed.
    text
        Title of the progress bar.
    folder
        Where ``last.ckpt`` and the loggers' files are written; a run that finds its own
        ``last.ckpt`` there goes on from it. None: nothing is kept.
    callbacks
        Further callbacks of Lightning.

    Raises
    ------
    ScmambaError
        The loss is no longer finite, ``last.ckpt`` is damaged or of another run, or a logger's
        package is missing.
    """
    keep_freed_memory()
    sharded, where = config.strategy == "fsdp", None if folder is None else Path(folder)
    if sharded and where is None:
        raise ScmambaError("strategy='fsdp' collects the weights in a checkpoint; give folder=")
    history, best = History(), Best(config.patience, in_memory=not sharded)
    watching: list[Callback] = [best] if batches.validates else []
    if config.ema:  # behind ``best``, which needs the averaged weights that were validated
        watching.append(averaging(config.ema, ramp=config.ema_ramp))
    bar = Bar(text)
    watching += [history, bar, *callbacks]
    if where is not None:
        watching.append(Checkpoints(where, config, best))
    set_activation_checkpointing(model, config.activation_checkpointing)
    set_modes(model)
    with quiet(), interruptible(), torch.random.fork_rng():
        trainer = make_trainer(model, config, watching, make_loggers(config.loggers, where))
        bar.total = batches.total_steps(config.accumulate_grad_batches, trainer.world_size)
        trained = copy.deepcopy(model) if sharded else model  # shards cannot be put back in place
        module = TrainingModule(trained, objectives, config, bar.total)
        last = None if where is None else where / LAST
        if last is not None:
            module.run = identify_run(model, batches, objectives, config, trainer.world_size)
            if last.exists():
                check_same_run(last, module.run)
        trainer.fit(
            module,
            datamodule=batches,
            ckpt_path=last if last and last.exists() else None,
            weights_only=True,
        )
    if best.weights:
        module.load_state_dict(best.weights)
    if sharded and where is not None:
        model.load_state_dict(_weights(where / (BEST if best.epoch and config.keep_best else LAST)))
    model.eval()
    return FitResult(history.frame, best.epoch or config.epochs)


def _weights(file: Path) -> dict[str, torch.Tensor]:
    """Weights of the model in a checkpoint."""
    stored = read_checkpoint(file)["state_dict"]
    return {name.removeprefix("model."): tensor for name, tensor in stored.items()}
