"""Hidden open peaks by their frequency, a low rank, genomic neighbors, and all together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.benchmark._multiomics.methods.base import Floats, MultiomicsMethod, Outcome, lsi
from scmamba.benchmark._multiomics.split import MultiomicsSplit, Pairs, Setting, hide_peaks
from scmamba.stream.modalities import genome_order, parse_peaks

WINDOWS = (5_000, 50_000, 500_000)
"""Distances, in bases, within which neighbors count."""


@dataclass(frozen=True)
class Peaks:
    """Logistic regression on features of a pair of a cell and a peak.

    It is fitted to pairs that are hidden once more from what the method is given.

    Attributes
    ----------
    low_rank, neighbors
        Whether the low-rank score and the open neighbors are among the features; frequency and
        depth always are.
    """

    low_rank: bool
    neighbors: bool

    def __call__(self, split: MultiomicsSplit, seed: int) -> Outcome:
        """Score the hidden and the closed peaks."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        assert split.pairs is not None
        adata = split.mods["atac"]
        inner, visible = hide_peaks(adata, np.random.default_rng(seed + 1))
        names = list(adata.var_names)
        train = self._features(sparse.csr_matrix(visible.X), inner, names, seed)
        test = self._features(sparse.csr_matrix(adata.X), split.pairs, names, seed)
        scaler = StandardScaler().fit(np.concatenate(train))
        labels = np.repeat([1, 0], [len(train[0]), len(train[1])])
        model = LogisticRegression().fit(scaler.transform(np.concatenate(train)), labels)
        opened, closed = (model.decision_function(scaler.transform(one)) for one in test)
        return Outcome(opened=opened, closed=closed)

    def _features(
        self, X: sparse.csr_matrix, pairs: Pairs, names: list[str], seed: int
    ) -> tuple[Floats, Floats]:
        opened = (X > 0).astype(np.float64).tocsr()
        columns = [
            _of_pairs(lambda i, j: np.log1p(opened.getnnz(axis=0))[j], pairs),
            _of_pairs(lambda i, j: np.log1p(opened.getnnz(axis=1))[i], pairs),
        ]
        if self.low_rank:
            columns.append(_of_pairs(_low_rank(opened, seed), pairs))
        if self.neighbors:
            columns += [_of_pairs(one, pairs) for one in _near(opened, names)]
        first, second = (np.stack([column[k] for column in columns], 1) for k in (0, 1))
        return first, second


def _of_pairs(score: object, pairs: Pairs) -> tuple[Floats, Floats]:
    assert callable(score)
    return score(pairs.cells, pairs.opened), score(pairs.cells, pairs.closed)


def _low_rank(opened: sparse.csr_matrix, seed: int) -> object:
    """Log ratio of the mean of the 50 cells nearest by LSI to the mean of all."""
    from sklearn.neighbors import NearestNeighbors

    cells = lsi(opened, 20, seed)
    k = min(100, len(cells) - 1)
    near = NearestNeighbors(n_neighbors=k).fit(cells).kneighbors(return_distance=False)
    ones = np.full(near.size, 1.0 / k)
    graph = sparse.csr_matrix((ones, near.ravel(), np.arange(0, near.size + 1, k)))
    smoothed = (graph @ opened).tocsr()
    mean = np.asarray(opened.mean(0)).ravel()

    def score(i: npt.NDArray[np.int64], j: npt.NDArray[np.int64]) -> Floats:
        found = np.asarray(smoothed[i, j]).ravel()
        return np.asarray(np.log((found + 0.01) / (mean[j] + 0.01)))

    return score


def _near(opened: sparse.csr_matrix, names: list[str]) -> list[object]:
    """Open neighbors of a peak in its cell, over how many are expected, within each window."""
    intervals = parse_peaks(names)
    order = genome_order(intervals)
    chrom = intervals["chrom"].astype("category").cat.codes.to_numpy()[order]
    middle = ((intervals["start"] + intervals["end"]) // 2).to_numpy()[order]
    place = chrom.astype(np.int64) * 10_000_000_000 + middle
    by_place = np.argsort(place, kind="stable")
    place = place[by_place]
    columns = order[by_place]
    depth = opened.getnnz(axis=1) / opened.nnz
    frequency = np.asarray(opened.sum(0)).ravel()
    found: list[object] = []
    for window in WINDOWS:
        low = np.searchsorted(place, place - window)
        high = np.searchsorted(place, place + window, side="right")
        rows = np.repeat(np.arange(len(place)), high - low)
        starts = np.repeat(low - np.cumsum(high - low) + (high - low), high - low)
        cols = np.arange(len(rows)) + starts
        kept = rows != cols
        pairs = (columns[cols[kept]], columns[rows[kept]])
        graph = sparse.csr_matrix((np.ones(kept.sum()), pairs), shape=(len(place),) * 2)
        counts, expected = (opened @ graph).tocsr(), frequency @ graph
        found.append(_ratio(counts, np.asarray(expected).ravel(), depth))
    return found


def _ratio(counts: sparse.csr_matrix, expected: Floats, depth: Floats) -> object:
    def score(i: npt.NDArray[np.int64], j: npt.NDArray[np.int64]) -> Floats:
        seen = np.asarray(counts[i, j]).ravel()
        return np.asarray(np.log((seen + 0.5) / (expected[j] * depth[i] + 0.5)))

    return score


_ONE: tuple[Setting, ...] = ("hidden peaks",)
FREQUENCY = MultiomicsMethod(Peaks(False, False), "frequency and depth", _ONE)
LOW_RANK = MultiomicsMethod(Peaks(True, False), "low rank (LSI)", _ONE)
NEIGHBORS = MultiomicsMethod(Peaks(False, True), "genomic neighbors", _ONE)
BOTH = MultiomicsMethod(Peaks(True, True), "low rank and genomic neighbors", _ONE)
