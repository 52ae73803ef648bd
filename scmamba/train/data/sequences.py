"""Batches of sequences for a training."""

from __future__ import annotations

from collections.abc import Iterable

import joblib

from scmamba._errors import ScmambaError
from scmamba.stream.batches import WHOLE, Ints, Shard
from scmamba.stream.buckets import TOKEN_BUDGET
from scmamba.stream.sequences import SequenceBatches, SequenceData, SequenceTrainBatch
from scmamba.tokens.nucleotides.masking import TokenMasking, TokenNoise
from scmamba.train.config import SequenceFitConfig
from scmamba.train.data.epochs import RowEpochs


class SequenceEpochs(RowEpochs):
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
        Tokens to hide, in validation too; None: none.
    replaceable
        Ids that ``config.noise`` may replace.

    Raises
    ------
    ScmambaError
        Noise is asked for without ``replaceable``.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.stream import SequenceData
    >>> from scmamba.train import SequenceEpochs, SequenceFitConfig
    >>> data = SequenceData(tuple(np.array([1, 2, 3, 4]) for _ in range(6)), pad_id=0)
    >>> config = SequenceFitConfig(epochs=2, batch_size=2)
    >>> batches = SequenceEpochs(data, np.arange(4), np.arange(4, 6), config, None, None)
    >>> batches.n_batches(0), batches.total_steps()
    (2, 4)
    """

    data: SequenceData
    config: SequenceFitConfig

    def __init__(
        self,
        data: SequenceData,
        train_rows: Ints,
        val_rows: Ints | None,
        config: SequenceFitConfig,
        masking: TokenMasking | None,
        replaceable: Ints | None,
    ) -> None:
        super().__init__(data, train_rows, val_rows, config)
        self.masking, self.noise = masking, None
        if config.noise:
            if replaceable is None:
                raise ScmambaError(f"noise={config.noise} needs the ids that may be replaced")
            self.noise = TokenNoise(config.noise, replaceable)

    def epoch(self, number: int, shard: Shard = WHOLE) -> SequenceBatches:
        """Batches of an epoch, counted from 0."""
        return SequenceBatches(
            self.data,
            self.train_rows,
            **self._size(),
            shuffle=True,
            strands="either" if self.config.both_strands else "given",
            masking=self.masking,
            noise=self.noise,
            seed=self.config.seed,
            epoch=number,
            shard=shard,
        )

    def validation(self, shard: Shard = WHOLE) -> Iterable[SequenceTrainBatch]:
        """Batches of the sequences to validate on, without noise."""
        if self.val_rows is None:
            return []
        # A language model predicts tokens of the strand it reads: there is nothing to average.
        average = self.config.both_strands and self.data.target is not None
        return SequenceBatches(
            self.data,
            self.val_rows[shard.rank :: shard.world_size],
            token_budget=TOKEN_BUDGET,
            strands="both" if average else "given",
            masking=self.masking,
            seed=self.config.seed,
        )

    def fingerprint(self) -> dict[str, str]:
        """Hashes of the sequences and of how tokens are hidden and replaced."""
        varied = joblib.hash((self.masking, self.noise))
        return {**super().fingerprint(), "masking and noise": varied}

    def _lengths(self, number: int) -> Ints:
        return self.data.lengths[self.train_rows]
