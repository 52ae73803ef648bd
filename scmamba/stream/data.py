"""Tokens of cells with what is known of each cell."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scmamba.tokens.cells.collate import CellBatch, collate
from scmamba.tokens.cells.tokenize import CellTokens
from scmamba.tokens.cells.vocab import Vocab


@dataclass(frozen=True)
class CellData:
    """Cells ready for a model: their tokens, and how to pad them.

    Attributes
    ----------
    tokens
        Genes and values of each cell.
    vocab
        Whose ids the tokens carry; names ``<pad>`` and ``<cls>``.
    cls_value, pad_value
        Values that stand at ``<cls>`` and at padding.
    labels
        (n_cells,) int64 class of each cell, or None.
    batch_ids
        (n_cells,) int64 batch of each cell, or None.
    """

    tokens: CellTokens
    vocab: Vocab
    cls_value: float
    pad_value: float
    labels: npt.NDArray[np.int64] | None = None
    batch_ids: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.tokens)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n_cells,) tokens of each cell, ``<cls>`` counted."""
        return self.tokens.lengths + 1

    def take(self, rows: npt.NDArray[np.int64]) -> CellData:
        """Return the cells ``rows`` alone, in that order."""

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
        """Pad the cells ``rows``; see :func:`~scmamba.tokens.cells.collate`."""
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
