"""Reading of block-shuffled cells: this package's reader, and scDataset's on the same file."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from anndata.io import sparse_dataset

from scmamba.models import preset
from scmamba.stream.corpus_files import CorpusReader
from scmamba.stream.corpus_open import open_corpus
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.stream.corpus_views import ViewSettings
from scmamba.train import FitConfig
from scmamba.train.data.corpus import CorpusEpochs

BLOCK, FETCH, BATCH = 64, 64, 128
"""Neighbors read together, blocks in memory, and cells of a batch."""


def own_rows(path: Path) -> Iterator[Any]:
    """Checked rows of random blocks as matrices, as the corpus reads them."""
    reader = CorpusReader([path], CorpusSettings())
    with h5py.File(path) as file:
        n = len(file["X/indptr"]) - 1
    starts = np.random.default_rng(0).permutation(np.arange(0, n, BLOCK))
    for start in starts:
        yield reader.rows(0, np.arange(start, min(start + BLOCK, n))).X
    reader.close()


def own_batches(path: Path) -> Iterator[Any]:
    """Batches of tokens, hidden values included: all that a training step needs."""
    settings = CorpusSettings(block_cells=BLOCK, buffer_blocks=FETCH, drop_copies=False)
    corpus = open_corpus(path, settings)
    encoder = preset("mini", n_genes=len(corpus.vocab), value_type="lognorm").encoder
    epochs = CorpusEpochs(corpus, encoder, FitConfig(batch_size=BATCH), ViewSettings(), ahead=0)
    yield None  # what comes before is done once, not in every epoch
    yield from epochs.epoch(0)


def scdataset_rows(path: Path) -> Iterator[Any]:
    """Rows of random blocks as matrices, unchecked, from the same file."""
    from scdataset import BlockShuffling, scDataset

    with h5py.File(path) as file:
        matrix = sparse_dataset(file["X"])

        class Cells:
            def __len__(self) -> int:
                return matrix.shape[0]

        data = scDataset(
            Cells(),
            BlockShuffling(block_size=BLOCK),
            batch_size=BATCH,
            fetch_factor=BLOCK * FETCH // BATCH,
            fetch_callback=lambda _, rows: matrix[np.asarray(rows)],
            batch_callback=lambda fetched, rows: fetched[np.asarray(rows)],
        )
        yield from data


def measure(path: Path, rounds: int = 3) -> dict[str, float]:
    """Cells per second of each way, the median of some rounds in turn."""
    with h5py.File(path) as file:
        n = len(file["X/indptr"]) - 1
    ways: dict[str, Callable[[Path], Iterator[Any]]] = {
        "own reader, checked matrices": own_rows,
        "own batches of tokens": own_batches,
        "scDataset, unchecked matrices": scdataset_rows,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            items = iter(way(path))
            next(items)
            start = time.perf_counter()
            for _item in items:
                pass
            found[name].append(n / (time.perf_counter() - start))
    return {name: statistics.median(rates[1:]) for name, rates in found.items()}
