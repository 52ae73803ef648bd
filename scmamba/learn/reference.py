"""Fitted cells as a reference: what is near a new cell, how near, and with which labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba.learn.neighbors import nearest, nearest_others

N_NEIGHBORS = 15
_SAMPLE = 20_000  # cells whose own distances tell what is usual

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Near:
    """What the reference says of n cells.

    Attributes
    ----------
    distance
        (n,) mean distance to the nearest reference cells, in units of what is usual within the
        reference: 1 is usual, 2 is twice as far.
    codes
        (n,) most frequent label of the labeled ones among them, weighted by nearness; -1 where
        none is labeled.
    share
        (n,) that label's share of the weights, in [0, 1]; NaN where none is labeled.
    """

    distance: Floats
    codes: Ints
    share: Floats


@dataclass(frozen=True)
class Reference:
    """Cells that an integrator was fitted on.

    Attributes
    ----------
    embedding
        (n_cells, d) float32.
    batch_ids
        (n_cells,) int64.
    labels
        (n_cells,) int64, -1 where unknown.
    usual
        Median of the cells' own mean distance to their nearest others.
    """

    embedding: npt.NDArray[np.float32]
    batch_ids: Ints
    labels: Ints
    usual: float

    @classmethod
    def of(
        cls, embedding: npt.NDArray[np.float32], batch_ids: Ints, labels: Ints | None, seed: int
    ) -> Reference:
        """Measure what is usual, on some of the cells where they are many."""
        n = len(embedding)
        apart, _ = nearest_others(embedding, N_NEIGHBORS, _SAMPLE, seed)
        usual = float(np.median(apart.mean(1))) if n > 1 else 1.0
        given = np.full(n, -1, np.int64) if labels is None else labels
        return cls(embedding, batch_ids, given, max(usual, float(np.finfo(np.float32).tiny)))

    def near(self, embedding: npt.NDArray[np.float32]) -> Near:
        """Look up the nearest reference cells of each of ``embedding`` (n, d)."""
        apart, found = nearest(self.embedding, embedding, N_NEIGHBORS)
        distance = apart.mean(1) / self.usual
        labels = self.labels[found]
        weights = np.where(labels >= 0, 1 / (apart + 1e-3 * self.usual), 0.0)
        votes = np.zeros((len(embedding), max(int(self.labels.max(initial=-1)) + 1, 1)))
        np.add.at(votes, (np.arange(len(embedding))[:, None], labels.clip(0)), weights)
        total = votes.sum(1)
        with np.errstate(invalid="ignore"):
            share = votes.max(1) / total
        codes = np.where(total > 0, votes.argmax(1), -1)
        return Near(distance, codes, share)
