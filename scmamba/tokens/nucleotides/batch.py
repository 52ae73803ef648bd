"""Padded batches of tokenized sequences."""

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
        (B, L) int64 token ids.
    padding_mask
        (B, L) bool, True at padding.
    special_mask
        (B, L) bool, True at special tokens and at padding.
    spans
        (B, L, 2) int64 start and end (exclusive) of each token in the original sequence, counted in
        nucleotides from 0; -1 at special tokens and at padding.

    Examples
    --------
    >>> from scmamba.tokens import NucleotideTokenizer
    >>> batch = NucleotideTokenizer.caduceus().batch(["ACG", "T"])
    >>> batch.input_ids.tolist()  # padded on the left
    [[7, 8, 9], [4, 4, 10]]
    >>> batch.spans[0].tolist()
    [[0, 1], [1, 2], [2, 3]]
    """

    input_ids: torch.Tensor
    padding_mask: torch.Tensor
    special_mask: torch.Tensor
    spans: torch.Tensor

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.input_ids)

    def to(self, device: str | torch.device) -> SequenceBatch:
        """Copy the batch to ``device``."""
        return SequenceBatch(
            *(getattr(self, field.name).to(device) for field in dataclasses.fields(self))
        )


def pad(
    rows: Sequence[tuple[Ints, Ints]], before: Ints, behind: Ints, *, pad_id: int, side: str
) -> SequenceBatch:
    """Pad sequences to a common length.

    Parameters
    ----------
    rows
        Ids (n,) and spans (n, 2) of each sequence.
    before, behind
        Ids of the special tokens before and after each sequence.
    pad_id
        Id of padding.
    side
        Side of the padding: ``"left"`` or ``"right"``.
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
