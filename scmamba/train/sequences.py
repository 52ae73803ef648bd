"""The loop on sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lightning.pytorch.callbacks import Callback
from torch import nn

from scmamba._errors import ScmambaError
from scmamba.stream.buckets import TOKEN_BUDGET
from scmamba.stream.sequences import SequenceBatches, SequenceData
from scmamba.tokens.sequence_masking import TokenMasking, TokenNoise
from scmamba.train.batches import EpochBatches
from scmamba.train.config import TrainConfig
from scmamba.train.fit import FitResult, train
from scmamba.train.objectives import Objective

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SequenceFitConfig(TrainConfig):
    """Settings of :func:`fit_sequences`, beside those of :class:`~scmamba.train.TrainConfig`.

    Parameters
    ----------
    both_strands
        Learn from either strand at random, and validate on the mean of both; language models, whose
        target is the sequence itself, on the strand that is given.
    noise
        Share of nucleotides replaced at random while learning.
    """

    both_strands: bool = False
    noise: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.noise < 1:
            raise ScmambaError(f"noise={self.noise}; give a number in [0, 1)")


class SequenceEpochs(EpochBatches):
    """Batches of sequences.

    Parameters
    ----------
    data
        All sequences.
    train_rows, val_rows
        Positions of those to learn from, and of those that are validated on, if any.
    config
        How they are batched and varied.
    masking
        Tokens to hide, while validating too; None: none.
    replaceable
        Ids that ``config.noise`` is about.
    """

    def __init__(
        self,
        data: SequenceData,
        train_rows: Rows,
        val_rows: Rows | None,
        config: SequenceFitConfig,
        masking: TokenMasking | None,
        replaceable: Rows | None,
    ) -> None:
        super().__init__(config.epochs)
        self.data, self.train_rows, self.val_rows = data, train_rows, val_rows
        self.config, self.masking = config, masking
        self.noise = None
        if config.noise:
            if replaceable is None:
                raise ScmambaError(f"noise={config.noise} needs the ids that may be replaced")
            self.noise = TokenNoise(config.noise, replaceable)

    def epoch(self, number: int) -> SequenceBatches:
        """Batches of an epoch, counted from 0."""
        config = self.config
        return SequenceBatches(
            self.data,
            self.train_rows,
            batch_size=None if config.token_budget else config.batch_size,
            token_budget=config.token_budget,
            shuffle=True,
            strands="either" if config.both_strands else "given",
            masking=self.masking,
            noise=self.noise,
            seed=config.seed,
            epoch=number,
        )

    def validation(self) -> SequenceBatches | None:
        """Sequences to validate on, as they are."""
        if self.val_rows is None:
            return None
        # A language model predicts tokens of the strand it reads: there is nothing to average.
        average = self.config.both_strands and self.data.target is not None
        return SequenceBatches(
            self.data,
            self.val_rows,
            token_budget=TOKEN_BUDGET,
            strands="both" if average else "given",
            masking=self.masking,
            seed=self.config.seed,
        )


def fit_sequences(
    network: nn.Module,
    data: SequenceData,
    train_rows: Rows,
    objectives: Sequence[Objective],
    config: SequenceFitConfig,
    *,
    val_rows: Rows | None = None,
    masking: TokenMasking | None = None,
    replaceable: Rows | None = None,
    text: str = "training",
    folder: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
) -> FitResult:
    """Train ``network`` in place, on its device; see :func:`~scmamba.train.fit.train`.

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
        As in :func:`~scmamba.train.fit.train`.

    Raises
    ------
    ScmambaError
        Both strands are asked for and there is but one.
    """
    if config.both_strands and data.other is None:
        raise ScmambaError(
            "both_strands=True, but these sequences have no other strand: RNA has none"
        )
    batches = SequenceEpochs(data, train_rows, val_rows, config, masking, replaceable)
    return train(
        network, batches, objectives, config, text=text, folder=folder, callbacks=callbacks
    )
