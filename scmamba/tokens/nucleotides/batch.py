"""Tokens of some sequences as one padded batch of tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SequenceBatch:
    """A padded batch of B sequences of at most L tokens.

    Attributes
    ----------
    input_ids
        (B, L) int64.
    padding_mask
        (B, L) bool, True where padded.
    special_mask
        (B, L) bool, True at special tokens and at padding.
    spans
        (B, L, 2) int64: first nucleotide of each token and the one behind its last, counted from
        0 in the sequence as given; -1 at special tokens and at padding.
    """

    input_ids: torch.Tensor
    padding_mask: torch.Tensor
    special_mask: torch.Tensor
    spans: torch.Tensor

    def __len__(self) -> int:
        return len(self.input_ids)

    def to(self, device: str | torch.device) -> SequenceBatch:
        """Return the batch on ``device``."""
        return SequenceBatch(
            *(getattr(self, field.name).to(device) for field in dataclasses.fields(self))
        )


def pad(
    rows: Sequence[tuple[Ints, Ints]], before: Ints, behind: Ints, *, pad_id: int, side: str
) -> SequenceBatch:
    """Bring sequences to one length.

    Parameters
    ----------
    rows
        Ids (n,) and spans (n, 2) of each sequence.
    before, behind
        Ids of the special tokens around each.
    pad_id
        What stands at padding.
    side
        Where it stands: ``"left"`` or ``"right"``.
    """
    around = len(before) + len(behind)
    longest = max(len(ids) for ids, _ in rows) + around
    shape = (len(rows), longest)
    input_ids = np.full(shape, pad_id, dtype=np.int64)
    padding_mask, special_mask = np.ones(shape, dtype=np.bool_), np.ones(shape, dtype=np.bool_)
    spans = np.full((*shape, 2), -1, dtype=np.int64)
    for b, (ids, edges) in enumerate(rows):
        first = longest - len(ids) - around if side == "left" else 0
        whole = slice(first, first + len(ids) + around)
        inner = slice(first + len(before), first + len(before) + len(ids))
        input_ids[b, whole] = np.concatenate([before, ids, behind])
        padding_mask[b, whole] = False
        special_mask[b, inner] = False
        spans[b, inner] = edges
    arrays = (input_ids, padding_mask, special_mask, spans)
    return SequenceBatch(*(torch.from_numpy(array) for array in arrays))
