"""Batches of cells that are read from many files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from scmamba._errors import ScmambaError
from scmamba.models.cell.config import EncoderConfig
from scmamba.stream.batches import WHOLE, Shard
from scmamba.stream.cells import CellTrainBatch
from scmamba.stream.corpus import Corpus, CorpusFile
from scmamba.stream.corpus_batches import CorpusPass
from scmamba.stream.corpus_order import EpochOrder, sampling_rates
from scmamba.stream.corpus_views import ViewSettings
from scmamba.train.config import FitConfig
from scmamba.train.data.epochs import EpochBatches

_HELD_OUT_SEED = 20_231
"""Of the cells and masks of validation, which are the same in every run."""


class CorpusEpochs(EpochBatches):
    """Batches of a corpus: blocks of files in random order, every cell once an epoch.

    Parameters
    ----------
    corpus
        Data sets to learn from and to validate on.
    encoder
        Values as the model reads them.
    config
        Epochs, cells per batch and process, seed.
    views
        How views of cells are drawn.
    n_streams
        Streams that read side by side; each process reads whole ones, so that a run on another
        number of processes has the same batches if this and the cells of all processes together
        stay. None: one for each process.
    most_held_out
        Cells of each held-out data set to validate on, at most.
    ahead
        Batches that a thread makes in advance.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import scmamba
    >>> from scmamba.models import preset
    >>> from scmamba.stream.corpus_open import open_corpus
    >>> from scmamba.stream.corpus_settings import CorpusSettings
    >>> from scmamba.stream.corpus_views import ViewSettings
    >>> from scmamba.train import FitConfig
    >>> from scmamba.train.data.corpus import CorpusEpochs
    >>> scmamba.settings.verbosity = "error"
    >>> encoder = preset("mini", n_genes=64).encoder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scmamba.datasets.synthetic(40, 60, 2).write_h5ad(Path(folder) / "study.h5ad")
    ...     corpus = open_corpus(folder, CorpusSettings(min_cells=1, min_genes=1))
    ...     epochs = CorpusEpochs(corpus, encoder, FitConfig(batch_size=8), ViewSettings())
    ...     [len(batch) for batch in epochs.epoch(0)]
    [8, 8, 8, 8, 8]
    """

    def __init__(
        self,
        corpus: Corpus,
        encoder: EncoderConfig,
        config: FitConfig,
        views: ViewSettings,
        *,
        n_streams: int | None = None,
        most_held_out: int = 2_000,
        ahead: int = 2,
    ) -> None:
        super().__init__(config.epochs)
        self.corpus, self.encoder, self.config, self.views = corpus, encoder, config, views
        self.n_streams, self.most_held_out, self.ahead = n_streams, most_held_out, ahead
        weights, settings = corpus.settings.dataset_weights, corpus.settings
        self._rates = sampling_rates(
            [len(one) for one in corpus.files],
            [one.labels[one.rows] for one in corpus.files],
            weights=[weights.get(one.content.name, 1.0) for one in corpus.files],
            dataset_power=settings.dataset_power,
            label_power=settings.label_power,
        )
        self._drawn: tuple[tuple[int, int], EpochOrder] | None = None

    def epoch(self, number: int, shard: Shard = WHOLE) -> CorpusPass:
        """Batches of an epoch, counted from 0."""
        order = self._order(number, shard.world_size)
        return self._pass(self.corpus.files, order, self.views, shard, self.ahead)

    def validation(self, shard: Shard = WHOLE) -> Iterable[CellTrainBatch]:
        """Batches of the data sets that are held out, the same after every epoch."""
        held = self.corpus.held_out
        if not held:
            return []
        rng = np.random.default_rng(_HELD_OUT_SEED)
        rows = [np.sort(rng.permutation(one.rows)[: self.most_held_out]) for one in held]
        n = sum(map(len, rows))
        order = EpochOrder.of(
            rows,
            None,
            block=self.corpus.settings.block_cells,
            buffer=self.corpus.settings.buffer_blocks,
            batch=min(self.config.batch_size, max(n // shard.world_size, 1)),
            streams=shard.world_size,
            seed=_HELD_OUT_SEED,
        )
        return self._pass(held, order, self.views.for_validation, shard, ahead=0)

    @property
    def validates(self) -> bool:
        """Whether a data set is held out."""
        return bool(self.corpus.held_out)

    def n_batches(self, number: int, world_size: int = 1) -> int:
        """Batches of an epoch in each process; no order is drawn where each cell is read once."""
        if self._rates is None and self._drawn is not None and self._drawn[0][1] == world_size:
            return self._drawn[1].n_steps
        return self._order(number, world_size).n_steps

    def fingerprint(self) -> dict[str, str]:
        """Hash of the corpus, and how it is read."""
        settings = self.corpus.settings
        weights = sorted(settings.dataset_weights.items())
        return {
            "corpus": self.corpus.fingerprint(),
            "views": repr(self.views),
            "order": f"blocks of {settings.block_cells}, {settings.buffer_blocks} mixed, "
            f"{self.n_streams or 'as many streams as processes'}",
            "sampling": f"{weights} {settings.dataset_power} {settings.label_power}",
        }

    def _order(self, number: int, world_size: int) -> EpochOrder:
        if self._drawn is None or self._drawn[0] != (number, world_size):
            streams = self.n_streams or world_size
            together = self.config.batch_size * world_size
            if streams % world_size or together % streams:
                raise ScmambaError(
                    f"n_streams={streams} for {world_size} processes of {self.config.batch_size} "
                    f"cells each; allowed: a multiple of {world_size} that divides {together}"
                )
            settings = self.corpus.settings
            order = EpochOrder.of(
                [one.rows for one in self.corpus.files],
                self._rates,
                block=settings.block_cells,
                buffer=settings.buffer_blocks,
                batch=together // streams,
                streams=streams,
                seed=self.config.seed,
                epoch=number,
            )
            self._drawn = (number, world_size), order
        return self._drawn[1]

    def _pass(
        self,
        files: Sequence[CorpusFile],
        order: EpochOrder,
        views: ViewSettings,
        shard: Shard,
        ahead: int,
    ) -> CorpusPass:
        return CorpusPass(
            files,
            order,
            views,
            vocab=self.corpus.vocab,
            encoder=self.encoder,
            settings=self.corpus.settings,
            shard=shard,
            ahead=ahead,
        )
