"""Training batches that contain each cell several times, each time as another gene subset.

Unlike elsewhere, batches are drawn at random rather than grouped by length: batch normalization and
contrastive losses need batches that are representative of the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

from scmamba.stream.batches import WHOLE, Batches, EpochGenerators, Ints, Shard
from scmamba.stream.buckets import n_batches
from scmamba.stream.cells import CellTrainBatch, taken
from scmamba.stream.data import CellData


@dataclass(frozen=True)
class GeneSubsetBatch(CellTrainBatch):
    """Batch of gene subsets of cells; subsets of the same cell have the same entry in ``rows``.

    Attributes
    ----------
    counts
        (B, n_counts) float32 counts of the whole cell, the target of the count decoder, or None.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.stream import CellData, GeneSubsetBatches, GeneSubsets
    >>> from scmamba.tokens import Vocab, tokenize
    >>> tokens = tokenize(sparse.csr_matrix(np.ones((4, 3))), np.arange(3), n_bins=None)
    >>> data = CellData(tokens, Vocab(list("abc")), cls_value=0.0, pad_value=-2.0)
    >>> batch = next(iter(GeneSubsetBatches(data, np.arange(4), GeneSubsets(), batch_size=4)))
    >>> len(batch), batch.counts is None
    (8, True)
    """

    counts: Tensor | None


@dataclass(frozen=True)
class GeneSubsets:
    """Settings of random gene subsets.

    Parameters
    ----------
    n_subsets
        Number of subsets of each cell in a batch.
    keep_prob
        Probability that an expressed gene is in a subset, in (0, 1].
    max_tokens
        Largest expected number of genes in a subset; None for no limit.

    Examples
    --------
    >>> from scmamba.stream import GeneSubsets
    >>> GeneSubsets(n_subsets=2, keep_prob=0.5)
    GeneSubsets(n_subsets=2, keep_prob=0.5, max_tokens=1024)
    """

    n_subsets: int = 2
    keep_prob: float = 0.5
    max_tokens: int | None = 1024


class GeneSubsetBatches(Batches[GeneSubsetBatch]):
    """Batches of gene subsets of cells; random draws depend only on seed, epoch and process.

    Parameters
    ----------
    data
        All cells.
    rows
        Positions of the cells of this pass.
    subsets
        Settings of the subsets.
    batch_size
        Cells per batch; cells of a smaller last batch are distributed over the others.
    counts
        (n_cells, n_counts) counts, the target of the count decoder, or None.
    mask_ratio, mask_value
        Fraction of a subset's values to mask, and the value at masked positions. For each masked
        gene, a gene that the cell does not express is added and masked too, so that being masked
        does not reveal that a gene is expressed.
    seed, epoch
        Seeds of the order and the random draws.
    shard
        Part of each batch that this process reads.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.stream import CellData, GeneSubsetBatches, GeneSubsets
    >>> from scmamba.tokens import Vocab, tokenize
    >>> tokens = tokenize(sparse.csr_matrix(np.ones((4, 3))), np.arange(3), n_bins=None)
    >>> data = CellData(tokens, Vocab(list("abc")), cls_value=0.0, pad_value=-2.0)
    >>> batches = GeneSubsetBatches(data, np.arange(4), GeneSubsets(n_subsets=3), batch_size=2)
    >>> [len(batch) for batch in batches]
    [6, 6]
    """

    def __init__(
        self,
        data: CellData,
        rows: Ints,
        subsets: GeneSubsets,
        *,
        batch_size: int,
        counts: sparse.csr_matrix | None = None,
        mask_ratio: float = 0.0,
        mask_value: float = -1.0,
        seed: int = 0,
        epoch: int = 0,
        shard: Shard = WHOLE,
    ) -> None:
        self.data, self.subsets = data, subsets
        self.counts, self.mask_ratio, self.mask_value = counts, mask_ratio, mask_value
        self.panel = np.unique(data.tokens.gene_ids).astype(np.int64)
        order = np.random.default_rng([seed, epoch]).permutation(np.asarray(rows, dtype=np.int64))
        n_parts = n_batches(len(order), batch_size, shard.world_size)
        parts = np.array_split(order, n_parts) if n_parts else []
        super().__init__(parts, seed=seed, epoch=epoch, shard=shard)
        self._padding, self._tokens = 0, 0

    @property
    def padding_share(self) -> float:
        """Fraction of tokens that are padding, over the batches made so far, in [0, 1)."""
        return self._padding / max(self._tokens, 1)

    def _batch(self, rows: Ints, draws: EpochGenerators) -> GeneSubsetBatch:
        data, rows = self.data, np.tile(rows, self.subsets.n_subsets)
        subset, gene, value, hidden = self._draw(rows, draws.rng)
        lengths = np.bincount(subset, minlength=len(rows))
        padding = np.arange(lengths.max(initial=0) + 1) > lengths[:, None]  # <cls> comes first
        real = ~padding
        real[:, 0] = False
        self._padding += int(padding.sum())
        self._tokens += padding.size
        shown = np.where(hidden, np.float32(self.mask_value), value)
        return GeneSubsetBatch(
            rows=torch.from_numpy(rows),
            gene_ids=padded(gene, real, data.vocab.cls_id, data.vocab.pad_id),
            values=padded(shown, real, data.cls_value, data.pad_value),
            padding_mask=torch.from_numpy(padding),
            target=padded(value, real, data.cls_value, data.pad_value),
            masked=padded(hidden, real, False, False),
            labels=taken(data.labels, rows),
            batch_ids=taken(data.batch_ids, rows),
            weight=1.0,
            counts=self._whole_counts(rows),
        )

    def _whole_counts(self, rows: Ints) -> Tensor | None:
        """Return the counts of the whole cells, the same for each of their subsets."""
        if self.counts is None:
            return None
        once = self.counts[rows[: len(rows) // self.subsets.n_subsets]].toarray()
        return torch.from_numpy(once).float().repeat(self.subsets.n_subsets, 1)

    def _draw(
        self, rows: Ints, rng: np.random.Generator
    ) -> tuple[Ints, Ints, npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Draw subsets: subset, gene, value and mask of every token, sorted by subset and gene."""
        cells = self.data.tokens.take(rows)
        keep_prob = np.full(len(rows), self.subsets.keep_prob)
        if self.subsets.max_tokens is not None:
            keep_prob = np.minimum(
                keep_prob, self.subsets.max_tokens / np.maximum(cells.lengths, 1)
            )
        subset = np.repeat(np.arange(len(rows)), cells.lengths)
        kept = rng.random(len(subset)) < keep_prob[subset]
        gene, value = cells.gene_ids.astype(np.int64), cells.values.astype(np.float32)
        if not self.mask_ratio:
            return subset[kept], gene[kept], value[kept], np.zeros(int(kept.sum()), np.bool_)
        hidden = kept & (rng.random(len(subset)) < self.mask_ratio)
        zero_subset, zero_gene = self._unexpressed(subset, gene, subset[hidden], rng)
        subset = np.concatenate([subset[kept], zero_subset])
        gene = np.concatenate([gene[kept], zero_gene])
        value = np.concatenate([value[kept], np.zeros(len(zero_subset), np.float32)])
        hidden = np.concatenate([hidden[kept], np.ones(len(zero_subset), np.bool_)])
        order = np.lexsort((gene, subset))
        return subset[order], gene[order], value[order], hidden[order]

    def _unexpressed(
        self, subset: Ints, gene: Ints, asked: Ints, rng: np.random.Generator
    ) -> tuple[Ints, Ints]:
        """Draw a gene of the panel for each of ``asked``, and drop those that are expressed."""
        width = int(self.panel[-1]) + 1 if len(self.panel) else 1
        drawn = rng.choice(self.panel, len(asked)) if len(asked) else asked
        pairs = np.unique(asked * width + drawn)
        pairs = np.setdiff1d(pairs, subset * width + gene, assume_unique=True)
        return pairs // width, pairs % width


def padded(
    tokens: npt.NDArray[np.generic], real: npt.NDArray[np.bool_], first: float, behind: float
) -> Tensor:
    """(B, L) tensor: ``tokens`` where ``real``, ``first`` at position 0, ``behind`` at padding."""
    filled = np.full(real.shape, behind, tokens.dtype)
    filled[:, 0] = first
    filled[real] = tokens
    return torch.from_numpy(filled)
