"""Base classes of batches of cells and of sequences: one pass over rows, batch by batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scmamba.stream.buckets import length_buckets, padding_share

Ints = npt.NDArray[np.int64]
B_co = TypeVar("B_co", covariant=True)


@dataclass(frozen=True)
class Shard:
    """Part of the data that one of several processes reads: rows of every batch.

    Parameters
    ----------
    rank
        Index of the process, from 0.
    world_size
        Number of processes.

    Examples
    --------
    >>> from scmamba.stream import Shard
    >>> Shard(rank=1, world_size=4)
    Shard(rank=1, world_size=4)
    """

    rank: int = 0
    world_size: int = 1


WHOLE = Shard()
"""All rows, for a single process."""


class EpochGenerators:
    """Random number generators of one pass, seeded by seed, epoch and process.

    Attributes
    ----------
    rng
        NumPy generator.
    masks
        PyTorch generator for masks, seeded from ``rng`` when first used.
    """

    def __init__(self, seed: int, epoch: int, shard: Shard) -> None:
        other = (shard.rank,) if shard.rank else ()
        self.rng = np.random.default_rng([seed, epoch, 1, *other])

    @cached_property
    def masks(self) -> torch.Generator:
        """PyTorch generator for masks."""
        return torch.Generator().manual_seed(int(self.rng.integers(2**62)))


class Batches(ABC, Generic[B_co]):
    """Base class of one pass over rows; random draws depend only on seed, epoch and process.

    Parameters
    ----------
    parts
        Rows of each batch, over all processes.
    seed, epoch
        Seeds of the random draws.
    shard
        Part of each batch that this process reads.

    Attributes
    ----------
    parts
        Rows of each batch of this process.
    mean_size
        Mean number of rows in a batch of one process.

    Examples
    --------
    >>> from scmamba.stream import Batches, CellBatches, SequenceBatches
    >>> issubclass(CellBatches, Batches), issubclass(SequenceBatches, Batches)
    (True, True)
    """

    def __init__(self, parts: Sequence[Ints], *, seed: int, epoch: int, shard: Shard) -> None:
        n_rows = sum(map(len, parts))
        self.parts = [part[shard.rank :: shard.world_size] for part in parts]
        self.mean_size = n_rows / max(len(parts) * shard.world_size, 1)
        self.seed, self.epoch, self.shard = seed, epoch, shard

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.parts)

    def __iter__(self) -> Iterator[B_co]:
        """Iterate over the batches."""
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[B_co]:
        """Iterate over the batches from index ``first``, exactly as in the whole pass.

        Earlier batches are made and discarded, because random draws depend on those before them.
        """
        draws = EpochGenerators(self.seed, self.epoch, self.shard)
        for number, rows in enumerate(self.parts):
            batch = self._batch(rows, draws)
            if number >= first:
                yield batch

    @property
    @abstractmethod
    def padding_share(self) -> float:
        """Fraction of tokens that are padding, over all batches, in [0, 1)."""

    @abstractmethod
    def _batch(self, rows: Ints, draws: EpochGenerators) -> B_co:
        """Return the batch of ``rows``."""


class BucketedBatches(Batches[B_co]):
    """Base class of batches of rows of similar length.

    Parameters
    ----------
    rows
        (n,) positions of the rows.
    lengths
        (n,) number of tokens of each row.
    batch_size
        Rows per batch and process.
    token_budget
        Largest number of tokens per batch and process, padding included; alternative to
        ``batch_size``. See :func:`~scmamba.stream.length_buckets`.
    shuffle
        Whether the order is random, for training; otherwise rows are sorted by length.
    seed, epoch
        Seeds of the order and the random draws.
    shard
        Part of each batch that this process reads; all processes have the same number of batches.

    Examples
    --------
    >>> from scmamba.stream import BucketedBatches, CellBatches
    >>> issubclass(CellBatches, BucketedBatches)
    True
    """

    def __init__(
        self,
        rows: Ints,
        lengths: Ints,
        *,
        batch_size: int | None,
        token_budget: int | None,
        shuffle: bool,
        seed: int,
        epoch: int,
        shard: Shard,
    ) -> None:
        self.rows = np.asarray(rows, dtype=np.int64)
        buckets = length_buckets(
            lengths,
            batch_size=batch_size,
            token_budget=token_budget,
            rng=np.random.default_rng([seed, epoch]) if shuffle else None,
            n_shares=shard.world_size,
        )
        super().__init__([self.rows[b] for b in buckets], seed=seed, epoch=epoch, shard=shard)
        own = [bucket[shard.rank :: shard.world_size] for bucket in buckets]
        self._padding_share = padding_share(lengths, own)

    @property
    def padding_share(self) -> float:
        """Fraction of tokens that are padding, over all batches, in [0, 1)."""
        return self._padding_share


def pad(
    rows: Sequence[Ints], fill: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor | None]:
    """Pad sequences on the right to a common length.

    Parameters
    ----------
    rows
        Ids of each of B sequences, (length,) int64.
    fill
        Id of padding.
    device
        Device of the result.

    Returns
    -------
    ids
        (B, L) int64.
    padding_mask
        (B, L) bool, True at padding; None where there is none.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.stream import pad
    >>> ids, mask = pad([np.array([5, 6, 7]), np.array([8])], fill=0)
    >>> ids.tolist()
    [[5, 6, 7], [8, 0, 0]]
    >>> mask.tolist()
    [[False, False, False], [False, True, True]]
    """
    lengths = np.array([len(row) for row in rows])
    padded = np.full((len(rows), lengths.max()), fill, dtype=np.int64)
    mask = np.arange(padded.shape[1]) >= lengths[:, None]
    padded[~mask] = np.concatenate(rows)
    padding_mask = torch.from_numpy(mask).to(device) if mask.any() else None
    return torch.from_numpy(padded).to(device), padding_mask
