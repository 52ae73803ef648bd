"""Train a model: one loop, and its uses for cells and for sequences in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from scmamba._errors import ScmambaError
from scmamba.models import CellModel
from scmamba.stream.batches import Ints
from scmamba.stream.data import CellData
from scmamba.stream.sequences import SequenceData
from scmamba.tokens.nucleotides.masking import TokenMasking
from scmamba.train.budget import TimeBudget
from scmamba.train.config import FitConfig, SequenceFitConfig, TrainConfig
from scmamba.train.data import CellEpochs, EpochBatches, SequenceEpochs
from scmamba.train.objectives import Objective, check_objectives
from scmamba.train.result import FitResult

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback


def fit(
    model: CellModel,
    data: CellData,
    train_rows: Ints,
    objectives: Sequence[Objective[Any, Any]],
    config: FitConfig,
    *,
    val_rows: Ints | None = None,
    text: str = "Training",
    folder: str | os.PathLike[str] | None = None,
    budget: TimeBudget | None = None,
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
    text, folder, budget
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
    return train(model, batches, on, config, text=text, folder=folder, budget=budget)


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
    text: str = "Training",
    folder: str | os.PathLike[str] | None = None,
    budget: TimeBudget | None = None,
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
    text, folder, budget, callbacks
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
        network,
        batches,
        objectives,
        config,
        text=text,
        folder=folder,
        budget=budget,
        callbacks=callbacks,
    )


def train(
    model: nn.Module,
    batches: EpochBatches,
    objectives: Sequence[Objective[Any, Any]],
    config: TrainConfig,
    *,
    text: str = "Training",
    folder: str | os.PathLike[str] | None = None,
    budget: TimeBudget | None = None,
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
    budget
        Time that is left, where this training is one of several that share it; None:
        ``config.max_minutes`` from now on.
    callbacks
        Further callbacks of Lightning.

    Raises
    ------
    ScmambaError
        The loss is no longer finite, ``last.ckpt`` is damaged or of another run, or a logger's
        package is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba import settings
    >>> from scmamba.models import SequenceModel
    >>> from scmamba.stream import SequenceData
    >>> from scmamba.train import NextToken, SequenceEpochs, SequenceFitConfig, train
    >>> settings.verbosity = "error"
    >>> model = SequenceModel.from_preset("nt-mamba", d_model=8, n_layer=1, d_state=4)
    >>> data = SequenceData(tuple(np.array([1, 2, 3, 4]) for _ in range(6)), pad_id=0)
    >>> config = SequenceFitConfig(epochs=2, ema=0.0)
    >>> batches = SequenceEpochs(data, np.arange(6), None, config, None, None)
    >>> len(train(model, batches, [NextToken((1, 2, 3, 4))], config).history)
    2
    """
    from scmamba.train.loop import run  # Lightning, which it needs, takes seconds to import

    return run(
        model,
        batches,
        objectives,
        config,
        budget=budget or TimeBudget(config.max_minutes),
        text=text,
        folder=None if folder is None else Path(folder),
        callbacks=callbacks,
    )
