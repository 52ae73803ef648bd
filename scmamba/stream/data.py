"""Tokens of cells with their labels and batches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scmamba.tokens.cells.collate import CellBatch, collate
from scmamba.tokens.cells.tokenize import CellTokens
from scmamba.tokens.cells.vocab import Vocab


@dataclass(frozen=True)
class CellData:
    """Tokens of cells, with labels, batches and padding values.

    Attributes
    ----------
    tokens
        Gene ids and values of the cells.
    vocab
        Vocabulary of the gene ids, with the ids of ``<pad>`` and ``<cls>``.
    cls_value, pad_value
        Values at ``<cls>`` and at padding.
    labels
        (n_cells,) int64 class of each cell, or None.
    batch_ids
        (n_cells,) int64 batch of each cell, or None.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from scmamba.stream import CellData
    >>> from scmamba.tokens import Vocab, tokenize
    >>> tokens = tokenize(sparse.csr_matrix(np.eye(3)), np.arange(3), n_bins=None)
    >>> data = CellData(tokens, Vocab(list("abc")), cls_value=0.0, pad_value=-2.0)
    >>> len(data), data.lengths.tolist(), data.batch(np.array([2])).gene_ids.tolist()
    (3, [2, 2, 2], [[4, 2]])
    """

    tokens: CellTokens
    vocab: Vocab
    cls_value: float
    pad_value: float
    labels: npt.NDArray[np.int64] | None = None
    batch_ids: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self.tokens)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n_cells,) number of tokens of each cell, ``<cls>`` included."""
        return self.tokens.lengths + 1

    def take(self, rows: npt.NDArray[np.int64]) -> CellData:
        """Return the cells at positions ``rows``, in that order."""

        def of(column: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64] | None:
            return None if column is None else column[rows]

        return replace(
            self,
            tokens=self.tokens.take(rows),
            labels=of(self.labels),
            batch_ids=of(self.batch_ids),
        )

    def batch(
        self,
        rows: npt.NDArray[np.int64],
        *,
        max_tokens: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> CellBatch:
        """Pad the cells ``rows``; see :func:`~scmamba.tokens.collate`."""
        return collate(
            self.tokens,
            rows,
            pad_id=self.vocab.pad_id,
            cls_id=self.vocab.cls_id,
            cls_value=self.cls_value,
            pad_value=self.pad_value,
            max_tokens=max_tokens,
            rng=rng,
        )
