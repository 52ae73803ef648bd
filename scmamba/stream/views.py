"""Training batches in which every cell comes several times, each time as another subset of genes.

Batches are random draws, not sorted by length as elsewhere: norms per batch and comparisons
between cells need batches that look like the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from scmamba.stream.batches import TrainBatch
from scmamba.stream.data import CellData

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ViewBatch(TrainBatch):
    """Views of cells; the same cell's carry the same ``rows``.

    Attributes
    ----------
    counts
        (B, n_counts) float32 counts of the whole cell, to be explained; or None.
    """

    counts: Tensor | None


@dataclass(frozen=True)
class Views:
    """How views are drawn.

    Parameters
    ----------
    n_views
        Views of each cell in a batch.
    share
        Chance of each of a cell's genes to be in a view, in (0, 1].
    max_tokens
        Genes that a view has on average at most; None: no limit.
    """

    n_views: int = 2
    share: float = 0.5
    max_tokens: int | None = 1024


class CellViews:
    """One pass over some cells; order and draws come from seed and epoch alone.

    Parameters
    ----------
    data
        All cells.
    rows
        Which of them to go through.
    views
        How views are drawn.
    batch_size
        Cells a batch; a last smaller batch is spread over the others.
    counts
        (n_cells, n_counts) what the views' cells count, or None.
    mask_ratio, mask_value
        Share of a view's values to hide, and what stands in their place. As many genes of the panel
        that the cell does not express are added, hidden too: a model that is asked for a gene
        cannot tell the answer from the question.
    seed, epoch
        Of order and draws, together.
    """

    def __init__(
        self,
        data: CellData,
        rows: Ints,
        views: Views,
        *,
        batch_size: int,
        counts: sparse.csr_matrix | None = None,
        mask_ratio: float = 0.0,
        mask_value: float = -1.0,
        seed: int = 0,
        epoch: int = 0,
    ) -> None:
        self.data, self.rows, self.views = data, np.asarray(rows, dtype=np.int64), views
        self.counts, self.mask_ratio, self.mask_value = counts, mask_ratio, mask_value
        self.seed, self.epoch = seed, epoch
        self.panel = np.unique(data.tokens.gene_ids).astype(np.int64)
        order = np.random.default_rng([seed, epoch]).permutation(self.rows)
        self.batches = np.array_split(order, max(len(order) // batch_size, 1))
        self._padding, self._tokens = 0, 0

    def __len__(self) -> int:
        return len(self.batches)

    @property
    def padding_share(self) -> float:
        """Share of padding among the tokens of the batches given so far, in [0, 1)."""
        return self._padding / max(self._tokens, 1)

    def __iter__(self) -> Iterator[ViewBatch]:
        rng = np.random.default_rng([self.seed, self.epoch, 1])
        for rows in self.batches:
            yield self._batch(np.tile(rows, self.views.n_views), rng)

    def _batch(self, rows: Ints, rng: np.random.Generator) -> ViewBatch:
        data = self.data
        view, gene, value, hidden = self._draw(rows, rng)
        lengths = np.bincount(view, minlength=len(rows))
        padding = np.arange(lengths.max(initial=0) + 1) > lengths[:, None]  # <cls> comes first
        real = ~padding
        real[:, 0] = False
        self._padding, self._tokens = self._padding + padding.sum(), self._tokens + padding.size

        def padded(tokens: npt.NDArray[np.generic], first: float, behind: float) -> Tensor:
            filled = np.full(padding.shape, behind, tokens.dtype)
            filled[:, 0] = first
            filled[real] = tokens
            return torch.from_numpy(filled)

        def of(column: Ints | None) -> Tensor | None:
            return None if column is None else torch.from_numpy(column[rows])

        shown = np.where(hidden, np.float32(self.mask_value), value)
        counts = None
        if self.counts is not None:
            once = self.counts[rows[: len(rows) // self.views.n_views]].toarray()
            counts = torch.from_numpy(once).float().repeat(self.views.n_views, 1)
        return ViewBatch(
            rows=torch.from_numpy(rows),
            gene_ids=padded(gene, data.vocab.cls_id, data.vocab.pad_id),
            values=padded(shown, data.cls_value, data.pad_value),
            padding_mask=torch.from_numpy(padding),
            target=padded(value, data.cls_value, data.pad_value),
            masked=padded(hidden, False, False),
            labels=of(data.labels),
            batch_ids=of(data.batch_ids),
            weight=1.0,
            counts=counts,
        )

    def _draw(
        self, rows: Ints, rng: np.random.Generator
    ) -> tuple[Ints, Ints, npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """View, gene, value and whether it is hidden, of every token, in order."""
        cells = self.data.tokens.take(rows)
        share = np.full(len(rows), self.views.share)
        if self.views.max_tokens is not None:
            share = np.minimum(share, self.views.max_tokens / np.maximum(cells.lengths, 1))
        view = np.repeat(np.arange(len(rows)), cells.lengths)
        kept = rng.random(len(view)) < share[view]
        gene, value = cells.gene_ids.astype(np.int64), cells.values.astype(np.float32)
        if not self.mask_ratio:
            return view[kept], gene[kept], value[kept], np.zeros(int(kept.sum()), np.bool_)
        hidden = kept & (rng.random(len(view)) < self.mask_ratio)
        zero_view, zero_gene = self._unexpressed(view, gene, view[hidden], rng)
        view = np.concatenate([view[kept], zero_view])
        gene = np.concatenate([gene[kept], zero_gene])
        value = np.concatenate([value[kept], np.zeros(len(zero_view), np.float32)])
        hidden = np.concatenate([hidden[kept], np.ones(len(zero_view), np.bool_)])
        order = np.lexsort((gene, view))
        return view[order], gene[order], value[order], hidden[order]

    def _unexpressed(
        self, view: Ints, gene: Ints, asked: Ints, rng: np.random.Generator
    ) -> tuple[Ints, Ints]:
        """A random gene of the panel for each of ``asked``, but those that are expressed."""
        width = int(self.panel[-1]) + 1 if len(self.panel) else 1
        drawn = rng.choice(self.panel, len(asked)) if len(asked) else asked
        pairs = np.unique(asked * width + drawn)
        pairs = np.setdiff1d(pairs, view * width + gene, assume_unique=True)
        return pairs // width, pairs % width
