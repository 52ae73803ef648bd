"""Batches of a whole training: those of each epoch, and those of validation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import joblib
import numpy as np

from scmamba.stream.batches import WHOLE, Ints, Shard
from scmamba.stream.buckets import length_buckets, n_batches
from scmamba.train.config import TrainConfig


class Pass(Protocol):
    """One pass over the training examples, as Lightning reads it."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __iter__(self) -> Iterator[Any]:
        """Go through the batches."""

    def starting_at(self, first: int) -> Iterator[Any]:
        """Return the batches from number ``first`` on."""


class EpochBatches(ABC):
    """Batches of every epoch, whose number may change from one to the next.

    Parameters
    ----------
    epochs
        How many epochs there will be.

    Examples
    --------
    >>> from scmamba.train import EpochBatches, StreamEpochs
    >>> stream = StreamEpochs(lambda epoch, shard: iter("abcd"), steps=4, epochs=2)
    >>> isinstance(stream, EpochBatches), stream.total_steps(accumulate=2)
    (True, 4)
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    @abstractmethod
    def epoch(self, number: int, shard: Shard = WHOLE) -> Pass:
        """Batches of an epoch, counted from 0."""

    @abstractmethod
    def validation(self, shard: Shard = WHOLE) -> Iterable[Any]:
        """Batches to validate on; empty where there are none."""

    @property
    @abstractmethod
    def validates(self) -> bool:
        """Whether there is anything to validate on."""

    @abstractmethod
    def n_batches(self, number: int, world_size: int = 1) -> int:
        """Batches of an epoch in each of ``world_size`` processes; no batch is made for it."""

    @abstractmethod
    def fingerprint(self) -> dict[str, str]:
        """Short texts that change with the data, by what they stand for."""

    def total_steps(self, accumulate: int = 1, world_size: int = 1) -> int:
        """Optimizer steps of all epochs, each of ``accumulate`` batches."""
        return sum(-(-self.n_batches(i, world_size) // accumulate) for i in range(self.epochs))


class RowEpochs(EpochBatches):
    """Batches of rows that are all in memory.

    Parameters
    ----------
    data
        All examples.
    train_rows, val_rows
        Positions of the examples to learn from, and of those that are validated on, if any.
    config
        Epochs, sizes and seed.
    """

    def __init__(
        self, data: Any, train_rows: Ints, val_rows: Ints | None, config: TrainConfig
    ) -> None:
        super().__init__(config.epochs)
        self.data, self.train_rows, self.val_rows = data, train_rows, val_rows
        self.config = config

    @property
    def validates(self) -> bool:
        """Whether there is anything to validate on."""
        return self.val_rows is not None

    def n_batches(self, number: int, world_size: int = 1) -> int:
        """Batches of an epoch; with a token budget they are counted from lengths alone."""
        config = self.config
        if config.token_budget is None:
            return n_batches(len(self.train_rows), config.batch_size, world_size)
        buckets = length_buckets(
            self._lengths(number),
            token_budget=config.token_budget,
            rng=np.random.default_rng([config.seed, number]),
            n_shares=world_size,
        )
        return len(buckets)

    def fingerprint(self) -> dict[str, str]:
        """Hashes of the examples and of the rows that are used."""
        return {
            "data": joblib.hash(self.data),
            "training examples": joblib.hash(self.train_rows),
            "validation examples": joblib.hash(self.val_rows),
        }

    @abstractmethod
    def _lengths(self, number: int) -> Ints:
        """(n,) tokens of each training example in an epoch."""

    def _size(self) -> dict[str, Any]:
        """Batch size or token budget, as batches take it."""
        config = self.config
        size = None if config.token_budget else config.batch_size
        return {"batch_size": size, "token_budget": config.token_budget}
