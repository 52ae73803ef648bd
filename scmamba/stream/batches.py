"""One pass over some rows, batch by batch: what passes over cells and over sequences share."""

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
    """Which of several processes this one is; each reads its own part of every batch.

    Parameters
    ----------
    rank
        Number of the process, from 0.
    world_size
        Number of processes.
    """

    rank: int = 0
    world_size: int = 1


WHOLE = Shard()
"""The only process."""


class Draws:
    """Random numbers of one pass; they depend on seed, epoch and process alone.

    Attributes
    ----------
    rng
        NumPy's generator.
    masks
        PyTorch's generator, which hides values. It is seeded from ``rng`` when first used.
    """

    def __init__(self, seed: int, epoch: int, shard: Shard) -> None:
        other = (shard.rank,) if shard.rank else ()
        self.rng = np.random.default_rng([seed, epoch, 1, *other])

    @cached_property
    def masks(self) -> torch.Generator:
        """Generator of PyTorch that hides values."""
        return torch.Generator().manual_seed(int(self.rng.integers(2**62)))


class Batches(ABC, Generic[B_co]):
    """One pass over some rows; order and draws come from seed and epoch alone.

    Parameters
    ----------
    parts
        Rows of each batch, over all processes.
    seed, epoch
        Seeds of the draws, together.
    shard
        The part of each batch that this process reads.

    Attributes
    ----------
    parts
        Rows of each batch of this process.
    mean_size
        Mean number of rows in a batch of one process.
    """

    def __init__(self, parts: Sequence[Ints], *, seed: int, epoch: int, shard: Shard) -> None:
        n_rows = sum(map(len, parts))
        self.parts = [part[shard.rank :: shard.world_size] for part in parts]
        self.mean_size = n_rows / max(len(parts) * shard.world_size, 1)
        self.seed, self.epoch, self.shard = seed, epoch, shard

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.parts)

    def __iter__(self) -> Iterator[B_co]:
        """Go through the batches."""
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[B_co]:
        """Return the batches from number ``first`` on, as the whole pass would give them.

        Earlier ones are made and dropped, since the draws of each batch follow those before it.
        """
        draws = Draws(self.seed, self.epoch, self.shard)
        for number, rows in enumerate(self.parts):
            batch = self._batch(rows, draws)
            if number >= first:
                yield batch

    @property
    @abstractmethod
    def padding_share(self) -> float:
        """Fraction of padding among the tokens of all batches, in [0, 1)."""

    @abstractmethod
    def _batch(self, rows: Ints, draws: Draws) -> B_co:
        """Return the batch of ``rows``."""


class BucketedBatches(Batches[B_co]):
    """Batches of rows of similar length.

    Parameters
    ----------
    rows
        (n,) which rows to go through.
    lengths
        (n,) tokens of each of them.
    batch_size
        Rows per batch and process.
    token_budget
        Most padded tokens per batch and process; in place of ``batch_size``, see
        :func:`~scmamba.stream.buckets.length_buckets`.
    shuffle
        Whether the order is random, for training; otherwise rows come sorted by length.
    seed, epoch
        Seeds of order and draws, together.
    shard
        The part that this process reads. In training all processes have as many batches.
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
        """Fraction of padding among the tokens of all batches, in [0, 1)."""
        return self._padding_share


def pad(
    rows: Sequence[Ints], fill: int, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor | None]:
    """Bring sequences to one length by padding on the right.

    Parameters
    ----------
    rows
        (length,) int64 ids of each of B sequences.
    fill
        Id of padding.
    device
        Device of the result.

    Returns
    -------
    ids
        (B, L) int64.
    padding_mask
        (B, L) True where padded; None where nothing is.

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
