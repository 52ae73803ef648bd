"""Tokens of sequences with what is known of each, and batches of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scmamba.stream.batches import WHOLE, BucketedBatches, Draws, Ints, Shard, pad
from scmamba.tokens.nucleotides.masking import IGNORED, TokenMasking, TokenNoise

Strands = Literal["given", "either", "both"]


@dataclass(frozen=True)
class SequenceData:
    """Sequences ready for a network.

    Attributes
    ----------
    ids
        (length,) int64 token ids of each sequence.
    pad_id
        What stands at padding.
    other
        The same of the other strand of each, or None where there is none.
    target
        What is to be predicted: (n,) int64 classes, (n, n_labels) float32 of 0 and 1,
        (n, n_numbers) float32, or (n,) objects, each (length,) int64 classes of its tokens
        (-100: not known); None: nothing.
    """

    ids: tuple[Ints, ...]
    pad_id: int
    other: tuple[Ints, ...] | None = None
    target: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.ids)

    @property
    def lengths(self) -> Ints:
        """(n,) tokens of each sequence."""
        return np.array([len(row) for row in self.ids], dtype=np.int64)

    def take(self, rows: Ints) -> SequenceData:
        """Return the sequences ``rows`` alone, in that order."""
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
        (B, n_outputs), or (B, L, n_outputs) of every token.
    class_logits
        The same where each sequence is of one class, else None.
    """

    logits: Tensor
    class_logits: Tensor | None = None


@dataclass(frozen=True)
class SequenceTrainBatch:
    """B sequences of L tokens, with what they are compared with.

    Attributes
    ----------
    rows
        (B,) int64 positions in their :class:`SequenceData`.
    input_ids, padding_mask
        (B, L); masked tokens are replaced. The mask is None where nothing is padded.
    other_ids, other_mask
        (B, L') the other strand, where both are to be averaged; else None.
    target
        As in :class:`SequenceData`, of tokens (B, L); None: nothing is known.
    weight
        Factor of the loss: B over the mean B of the pass.
    """

    rows: Tensor
    input_ids: Tensor
    padding_mask: Tensor | None
    other_ids: Tensor | None
    other_mask: Tensor | None
    target: Tensor | None
    weight: float

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.rows)

    @property
    def labels(self) -> Tensor | None:
        """(B,) int64 classes, or None where the target is something else."""
        target = self.target
        whole = target is not None and target.ndim == 1 and target.dtype == torch.int64
        return target if whole else None

    def to(self, device: torch.device) -> SequenceTrainBatch:
        """Return the batch on ``device``."""
        moved: dict[str, Any] = {
            name: value.to(device, non_blocking=True)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    def run(self, model: Any, heads: set[str]) -> SequenceOutput:
        """Output of ``model`` for these sequences; of both strands the mean."""
        ask = model.logits if "language" in heads else model
        logits = ask(self.input_ids, self.padding_mask)
        if self.other_ids is not None:
            other = ask(self.other_ids, self.other_mask)
            logits = (logits + (other.flip(1) if logits.ndim == 3 else other)) / 2
        return SequenceOutput(logits, None if self.labels is None else logits)


class SequenceBatches(BucketedBatches[SequenceTrainBatch]):
    """Batches of sequences of similar length; order and draws come from seed and epoch alone.

    Parameters
    ----------
    data
        All sequences.
    rows
        Which of them to go through.
    batch_size, token_budget
        One of them; see :func:`~scmamba.stream.buckets.length_buckets`.
    shuffle
        Whether the order is random, for training; otherwise sequences come sorted by length.
    strands
        ``"given"``; ``"either"``, one of both at random; or ``"both"``, which are averaged.
    masking
        Tokens to hide, which become the target; None: none.
    noise
        Tokens to replace; None: none.
    seed, epoch
        Seeds of order, draws and masks, together.
    shard
        The part of each batch that this process reads.

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

    def _batch(self, rows: Ints, draws: Draws) -> SequenceTrainBatch:
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
