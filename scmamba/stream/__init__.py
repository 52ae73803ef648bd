"""Cells in memory to batches of tensors: which rows, in what order, padded how far."""

from __future__ import annotations

from scmamba.stream.batches import CellBatches, TrainBatch
from scmamba.stream.buckets import TOKEN_BUDGET, length_buckets, padding_share
from scmamba.stream.data import CellData

__all__ = [
    "TOKEN_BUDGET",
    "CellBatches",
    "CellData",
    "TrainBatch",
    "length_buckets",
    "padding_share",
]
