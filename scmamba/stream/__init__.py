"""Batches of cells and sequences: selection and order of rows, length buckets, padding."""

from __future__ import annotations

from scmamba.stream.batches import Batches, BucketedBatches, Shard, pad
from scmamba.stream.buckets import TOKEN_BUDGET, length_buckets, n_batches, padding_share
from scmamba.stream.cells import CellBatches, CellTrainBatch
from scmamba.stream.data import CellData
from scmamba.stream.gene_subsets import GeneSubsetBatch, GeneSubsetBatches, GeneSubsets
from scmamba.stream.sequences import (
    SequenceBatches,
    SequenceData,
    SequenceOutput,
    SequenceTrainBatch,
)

__all__ = [
    "TOKEN_BUDGET",
    "Batches",
    "BucketedBatches",
    "CellBatches",
    "CellData",
    "CellTrainBatch",
    "GeneSubsetBatch",
    "GeneSubsetBatches",
    "GeneSubsets",
    "SequenceBatches",
    "SequenceData",
    "SequenceOutput",
    "SequenceTrainBatch",
    "Shard",
    "length_buckets",
    "n_batches",
    "pad",
    "padding_share",
]
