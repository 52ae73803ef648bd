"""Batches of an epoch over a corpus, read from disk a buffer at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba.models.cell.config import EncoderConfig
from scmamba.pp.normalize import log_normalized
from scmamba.stream.ahead import in_advance
from scmamba.stream.batches import WHOLE, Shard
from scmamba.stream.cells import CellTrainBatch
from scmamba.stream.corpus import CorpusFile
from scmamba.stream.corpus_files import CorpusReader
from scmamba.stream.corpus_order import EpochOrder
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.stream.corpus_views import CorpusCells, ViewSettings, make_batch
from scmamba.tokens.cells.tokenize import CellTokens, tokenize
from scmamba.tokens.cells.vocab import Vocab

Ints = npt.NDArray[np.int64]
_VIEWS = 4
"""What random numbers are for, beside those of the order."""


class CellBuffer:
    """Reads cells of a corpus as tokens.

    Parameters
    ----------
    files
        Data sets by number.
    encoder
        Values as the model reads them.
    settings
        Where files keep what.
    """

    def __init__(
        self, files: Sequence[CorpusFile], encoder: EncoderConfig, settings: CorpusSettings
    ) -> None:
        self.files, self.encoder, self.settings = files, encoder, settings
        self.reader = CorpusReader([one.content.path for one in files], settings)
        self.offsets = np.cumsum([0, *(one.content.n_cells for one in files)])

    def read(self, files: Ints, rows: Ints) -> CorpusCells:
        """Read cells; neighbors on disk are read together, in the order in which they lie there.

        Parameters
        ----------
        files, rows
            (n,) data set, and position in it, of each cell.
        """
        order = np.lexsort((rows, files))
        files_, rows_ = files[order], rows[order]
        far = np.diff(rows_) > self.settings.block_cells
        cuts = np.flatnonzero((np.diff(files_) != 0) | far) + 1
        parts = [
            self._tokens(int(files_[place[0]]), rows_[place])
            for place in np.split(np.arange(len(order)), cuts)
        ]
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        picked = [self.files[i] for i in files.tolist()]
        pairs = list(zip(picked, rows.tolist(), strict=True))
        return CorpusCells(
            ids=self.offsets[files] + rows,
            files=files,
            tokens=_joined(parts).take(back),
            labels=np.array([one.labels[i] for one, i in pairs], dtype=np.int64),
            batches=np.array([one.batches[i] for one, i in pairs], dtype=np.int64),
            prompts=np.array([one.prompts[i] for one, i in pairs], dtype=np.int64),
        )

    def _tokens(self, number: int, rows: Ints) -> CellTokens:
        found = self.reader.rows(number, rows)
        binned = self.encoder.value_type == "bins"
        values = found.X if binned else log_normalized(found.X, found.unit)
        n_bins = self.encoder.n_bins if binned else None
        return tokenize(values, self.files[number].columns, n_bins=n_bins)


class CorpusPass:
    """The batches of an epoch that one process reads.

    Parameters
    ----------
    files
        Data sets by number, as in the order.
    order
        Cells of the epoch.
    views
        How views of cells are drawn.
    vocab, encoder, settings
        Of the model and of the corpus.
    shard
        This process; it reads the streams ``rank``, ``rank + world_size``, ...
    ahead
        Batches that are made in advance, by a thread; 0: none.

    Examples
    --------
    :class:`scmamba.train.data.corpus.CorpusEpochs` makes one for each epoch.
    """

    def __init__(
        self,
        files: Sequence[CorpusFile],
        order: EpochOrder,
        views: ViewSettings,
        *,
        vocab: Vocab,
        encoder: EncoderConfig,
        settings: CorpusSettings,
        shard: Shard = WHOLE,
        ahead: int = 2,
    ) -> None:
        self.files, self.order, self.views = files, order, views
        self.vocab, self.encoder, self.settings = vocab, encoder, settings
        n_streams = len(order.runs) - 1
        self.streams = list(range(n_streams))[shard.rank :: shard.world_size]
        self.mean_size = len(order) * len(self.streams) / (n_streams * order.n_steps)
        self.panels = [one.panel for one in files]
        self.ahead = ahead

    def __len__(self) -> int:
        """Return the number of batches."""
        return self.order.n_steps

    def __iter__(self) -> Iterator[CellTrainBatch]:
        """Go through the batches."""
        return self.starting_at(0)

    def starting_at(self, first: int) -> Iterator[CellTrainBatch]:
        """Return the batches from number ``first`` on; none before is read."""
        if self.ahead:
            return in_advance(lambda: self._batches(first), self.ahead)
        return self._batches(first)

    def _batches(self, first: int) -> Iterator[CellTrainBatch]:
        buffer = CellBuffer(self.files, self.encoder, self.settings)
        held: dict[int, tuple[int, CorpusCells]] = {}
        try:
            for number in range(first, self.order.n_steps):
                yield self._batch(number, buffer, held)
        finally:
            buffer.reader.close()

    def _batch(
        self, number: int, buffer: CellBuffer, held: dict[int, tuple[int, CorpusCells]]
    ) -> CellTrainBatch:
        parts = [self._cells(stream, number, buffer, held) for stream in self.streams]
        made = [
            make_batch(
                cells,
                self.panels,
                self.vocab,
                self.views,
                np.random.default_rng([self.order.seed, self.order.epoch, _VIEWS, stream, number]),
                cls_value=self.encoder.cls_value,
                pad_value=self.encoder.pad_value,
                mask_value=self.encoder.mask_value,
                weight=sum(map(len, parts)) / self.mean_size,
            )
            for stream, cells in zip(self.streams, parts, strict=True)
        ]
        return made[0] if len(made) == 1 else together(made, self.vocab, self.encoder)

    def _cells(
        self,
        stream: int,
        number: int,
        buffer: CellBuffer,
        held: dict[int, tuple[int, CorpusCells]],
    ) -> CorpusCells:
        """Cells of a batch of a stream, from the buffers that they lie in."""
        order, start = self.order, int(self.order.runs[stream])
        inside = order.places(stream, number) - start
        which = inside // order.buffer
        parts = []
        for one in np.unique(which).tolist():
            if held.get(stream, (-1,))[0] != one:
                stop = min(start + (one + 1) * order.buffer, int(order.runs[stream + 1]))
                place = slice(start + one * order.buffer, stop)
                files, rows = order.files[place], order.rows[place]
                held[stream] = one, buffer.read(files.astype(np.int64), rows.astype(np.int64))
            parts.append(_taken(held[stream][1], inside[which == one] - one * order.buffer))
        return parts[0] if len(parts) == 1 else _appended(parts)


def together(
    made: Sequence[CellTrainBatch], vocab: Vocab, encoder: EncoderConfig
) -> CellTrainBatch:
    """Join batches of several streams, padded to the longest."""
    import torch
    from torch.nn.functional import pad

    length = max(one.gene_ids.shape[1] for one in made)

    def wide(name: str, fill: float) -> Any:
        parts = [getattr(one, name) for one in made]
        return torch.cat([pad(t, (0, length - t.shape[1]), value=fill) for t in parts])

    def tall(name: str) -> Any:
        return torch.cat([getattr(one, name) for one in made])

    return CellTrainBatch(
        rows=tall("rows"),
        gene_ids=wide("gene_ids", vocab.pad_id),
        values=wide("values", encoder.pad_value),
        padding_mask=wide("padding_mask", True),
        target=wide("target", encoder.pad_value),
        masked=wide("masked", False),
        labels=tall("labels"),
        batch_ids=tall("batch_ids"),
        weight=made[0].weight,
    )


def _joined(parts: Sequence[CellTokens]) -> CellTokens:
    lengths = np.concatenate([one.lengths for one in parts])
    return CellTokens(
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([one.gene_ids for one in parts]),
        np.concatenate([one.values for one in parts]),
    )


def _taken(cells: CorpusCells, places: Ints) -> CorpusCells:
    return CorpusCells(
        cells.ids[places],
        cells.files[places],
        cells.tokens.take(places),
        cells.labels[places],
        cells.batches[places],
        cells.prompts[places],
    )


def _appended(parts: Sequence[CorpusCells]) -> CorpusCells:
    def of(name: str) -> Any:
        return np.concatenate([getattr(one, name) for one in parts])

    return CorpusCells(
        of("ids"), of("files"), _joined([one.tokens for one in parts]), of("labels"),
        of("batches"), of("prompts"),
    )  # fmt: skip
