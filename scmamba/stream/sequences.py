"""Tokens of sequences with their targets, and batches of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scmamba.stream.batches import WHOLE, BucketedBatches, EpochGenerators, Ints, Shard, pad
from scmamba.tokens.nucleotides.masking import IGNORED, TokenMasking, TokenNoise

Strands = Literal["given", "either", "both"]


@dataclass(frozen=True)
class SequenceData:
    """Tokens of sequences, with targets and padding.

    Attributes
    ----------
    ids
        Token ids of each sequence, (length,) int64.
    pad_id
        Id of padding.
    other
        Token ids of the opposite strand of each sequence, or None.
    target
        Target of prediction: (n,) int64 classes, (n, n_labels) float32 of 0 and 1, (n, n_numbers)
        float32, or (n,) objects with the int64 class of each token, (length,), -100 where unknown;
        None without a target.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.stream import SequenceData
    >>> data = SequenceData((np.array([7, 8, 9]), np.array([7])), pad_id=4)
    >>> len(data), data.lengths.tolist()
    (2, [3, 1])
    """

    ids: tuple[Ints, ...]
    pad_id: int
    other: tuple[Ints, ...] | None = None
    target: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.ids)

    @property
    def lengths(self) -> Ints:
        """(n,) number of tokens of each sequence."""
        return np.array([len(row) for row in self.ids], dtype=np.int64)

    def take(self, rows: Ints) -> SequenceData:
        """Return the sequences at positions ``rows``, in that order."""
        return replace(
            self,
            ids=tuple(self.ids[i] for i in rows),
            other=None if self.other is None else tuple(self.other[i] for i in rows),
            target=None if self.target is None else self.target[rows],
        )


@dataclass(frozen=True)
class SequenceOutput:
    """Output of a network for a batch.

    Attributes
    ----------
    logits
        (B, n_outputs), or (B, L, n_outputs) for each token.
    class_logits
        Same as ``logits`` where each sequence has one class, else None.

    Examples
    --------
    >>> import torch
    >>> from scmamba.stream import SequenceOutput
    >>> SequenceOutput(torch.zeros(2, 3)).logits.shape
    torch.Size([2, 3])
    """

    logits: Tensor
    class_logits: Tensor | None = None


@dataclass(frozen=True)
class SequenceTrainBatch:
    """Batch of B sequences of L tokens, with their targets.

    Attributes
    ----------
    rows
        (B,) int64 positions in their :class:`SequenceData`.
    input_ids, padding_mask
        (B, L) token ids, masked tokens replaced, and True at padding. The mask is None where there
        is no padding.
    other_ids, other_mask
        (B, L') the opposite strand, where both are averaged; else None.
    target
        Targets as in :class:`SequenceData`, (B, L) for tokens; None without targets.
    weight
        Weight of the loss: B over the mean B of the pass.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.stream import SequenceBatches, SequenceData
    >>> data = SequenceData((np.array([7, 8]), np.array([7])), pad_id=4, target=np.array([1, 0]))
    >>> batch = next(iter(SequenceBatches(data, np.arange(2), batch_size=2)))
    >>> batch.input_ids.tolist(), batch.labels.tolist()
    ([[7, 4], [7, 8]], [0, 1])
    """

    rows: Tensor
    input_ids: Tensor
    padding_mask: Tensor | None
    other_ids: Tensor | None
    other_mask: Tensor | None
    target: Tensor | None
    weight: float

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.rows)

    @property
    def labels(self) -> Tensor | None:
        """(B,) int64 classes, or None where the target is something else."""
        target = self.target
        whole = target is not None and target.ndim == 1 and target.dtype == torch.int64
        return target if whole else None

    def to(self, device: torch.device) -> SequenceTrainBatch:
        """Copy the batch to ``device``."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    def run(self, model: Any, heads: set[str]) -> SequenceOutput:
        """Run ``model`` on these sequences; outputs are averaged where both strands are given."""
        ask = model.logits if "language" in heads else model
        logits = ask(self.input_ids, self.padding_mask)
        if self.other_ids is not None:
            other = ask(self.other_ids, self.other_mask)
            logits = (logits + (other.flip(1) if logits.ndim == 3 else other)) / 2
        return SequenceOutput(logits, None if self.labels is None else logits)


class SequenceBatches(BucketedBatches[SequenceTrainBatch]):
    """Batches of sequences of similar length; random draws depend only on seed, epoch and process.

    Parameters
    ----------
    data
        All sequences.
    rows
        Positions of the sequences of this pass.
    batch_size, token_budget
        Size of batches, exactly one of them; see :func:`~scmamba.stream.length_buckets`.
    shuffle
        Whether the order is random, for training; otherwise sequences are sorted by length.
    strands
        Strands to use: ``"given"``, ``"either"`` (one of both at random) or ``"both"`` (averaged).
    masking
        Masking of tokens, which become the target; None for none.
    noise
        Random replacement of tokens; None for none.
    seed, epoch
        Seeds of the order, the random draws and the masks.
    shard
        Part of each batch that this process reads.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.stream import SequenceBatches, SequenceData
    >>> data = SequenceData((np.array([7, 8, 9]), np.array([7]), np.array([8, 9])), pad_id=4)
    >>> [batch.input_ids.tolist() for batch in SequenceBatches(data, np.arange(3), batch_size=2)]
    [[[7, 4], [8, 9]], [[7, 8, 9]]]
    """

    def __init__(
        self,
        data: SequenceData,
        rows: Ints,
        *,
        batch_size: int | None = None,
        token_budget: int | None = None,
        shuffle: bool = False,
        strands: Strands = "given",
        masking: TokenMasking | None = None,
        noise: TokenNoise | None = None,
        seed: int = 0,
        epoch: int = 0,
        shard: Shard = WHOLE,
    ) -> None:
        self.data = data
        self.strands, self.masking, self.noise = strands, masking, noise
        super().__init__(
            rows,
            data.lengths[np.asarray(rows, dtype=np.int64)],
            batch_size=batch_size,
            token_budget=token_budget,
            shuffle=shuffle,
            seed=seed,
            epoch=epoch,
            shard=shard,
        )

    def _batch(self, rows: Ints, draws: EpochGenerators) -> SequenceTrainBatch:
        data, other, rng = self.data, self.data.other, draws.rng
        target = None if data.target is None else data.target[rows]
        ids, others = [data.ids[i] for i in rows], None
        if other is not None and self.strands == "either":
            turned = rng.random(len(rows)) < 0.5
            ids = [other[i] if turn else data.ids[i] for i, turn in zip(rows, turned, strict=True)]
            if target is not None and target.dtype == object:
                for i in np.flatnonzero(turned):
                    target[i] = target[i][::-1]
        elif other is not None and self.strands == "both":
            others = [other[i] for i in rows]
        if self.noise is not None:
            ids = self.noise(ids, rng)
        hidden: list[Ints] | None = None
        if self.masking is not None:
            ids, hidden = self.masking(ids, rng)
        input_ids, padding_mask = pad(ids, data.pad_id)
        other_ids, other_mask = (None, None) if others is None else pad(others, data.pad_id)
        return SequenceTrainBatch(
            rows=torch.from_numpy(rows),
            input_ids=input_ids,
            padding_mask=padding_mask,
            other_ids=other_ids,
            other_mask=other_mask,
            target=_target(target if hidden is None else hidden),
            weight=len(rows) / self.mean_size,
        )


def _target(target: npt.NDArray[Any] | list[Ints] | None) -> Tensor | None:
    if target is None:
        return None
    if isinstance(target, list) or target.dtype == object:
        return pad(list(target), IGNORED)[0]
    return torch.from_numpy(target)
