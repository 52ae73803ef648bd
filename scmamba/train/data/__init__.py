"""Batches of a whole training: of cells, gene subsets, sequences, or from a stream."""

from __future__ import annotations

from scmamba.train.data.cells import CellEpochs
from scmamba.train.data.epochs import EpochBatches
from scmamba.train.data.gene_subsets import GeneSubsetEpochs
from scmamba.train.data.sequences import SequenceEpochs
from scmamba.train.data.stream import StreamEpochs

__all__ = ["CellEpochs", "EpochBatches", "GeneSubsetEpochs", "SequenceEpochs", "StreamEpochs"]
