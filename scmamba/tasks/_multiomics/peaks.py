"""Open peaks that were missed: low rank, and open neighbors in the genome, weighed together.

A cell shows a few hundred of its open peaks. Which others are open is told by what cells of a
kind share (the decoder, and latent semantic indexing) and by what lies next to an open peak: a scan
of the genome in both directions counts the open peaks within growing distances of each peak.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.tasks._multiomics.blocks import Block
from scmamba.tasks._multiomics.order import ranks
from scmamba.tasks._multiomics.places import chromosome_ranks, unknown
from scmamba.tasks._multiomics.sizes import Order

EDGES = (0.0, 1e3, 2e3, 5e3, 2.5e4, 1e5, 2.5e5, 5e5, 1e6)
"""Ends of the distances, in base pairs, within which open neighbors are counted."""
_RANKS = (5, 10, 20, 50)
_GAP = 5e4  # base pairs between features where only their order is known
_HALF = 0.5
_PSEUDO = 0.05
_BLOCK = 128

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scan:
    """Where the peaks are in one line, with chromosomes far apart.

    Attributes
    ----------
    order
        (n,) peaks from first to last.
    place
        (n,) their places along the line in base pairs, rising.
    """

    order: Ints
    place: Floats

    @classmethod
    def of(cls, block: Block, order: Order, seed: int) -> Scan:
        """Places of peaks in the genome; in other orders, of evenly spaced ones."""
        rank = ranks([block], order, seed)
        sequence = np.argsort(rank)
        if order != "genome":
            return cls(sequence, np.arange(len(rank), dtype=np.float64) * _GAP)
        places = block.places or unknown(len(rank))
        chromosome = chromosome_ranks(places.chromosome)[sequence]
        middle = places.middle[sequence].copy()
        lost = np.flatnonzero(chromosome < 0)
        apart = 4 * EDGES[-1]
        length = np.zeros(int(chromosome.max(initial=-1)) + 2)
        np.maximum.at(length, chromosome + 1, middle + apart)
        length[0] = len(lost) * apart
        middle[lost] = np.arange(len(lost)) * apart
        first = np.concatenate([[0], np.cumsum(length)[:-1]])
        return cls(sequence, first[chromosome + 1] + middle)

    def counts(self, opened: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
        """(n_cells, n_peaks) open neighbors within each distance, the peak itself left out.

        Parameters
        ----------
        opened
            (n_cells, n_peaks) 1 where open; or any numbers, which are added up.
        """
        n = len(self.place)
        total = np.zeros((len(opened), n + 1), np.float64)
        np.cumsum(opened[:, self.order], axis=1, out=total[:, 1:])
        inner = opened[:, self.order].astype(np.float64)
        back = np.empty(n, np.int64)
        back[self.order] = np.arange(n)
        for edge in EDGES[1:]:
            low = np.searchsorted(self.place, self.place - edge, side="left")
            high = np.searchsorted(self.place, self.place + edge, side="right")
            within = total[:, high] - total[:, low]
            yield (within - inner)[:, back].astype(np.float32)
            inner = within


@dataclass(frozen=True)
class PeakModel:
    """Log odds that a peak is open, from what is open in the cell.

    Attributes
    ----------
    scan
        Order of the peaks.
    frequency
        (n_peaks,) fraction of cells in which each is open.
    depth
        Mean number of open peaks of a cell.
    loadings
        (n_peaks, k) of latent semantic indexing.
    weight
        (n_peaks,) inverse document frequencies.
    coef
        Weights of the features, in the order of :meth:`features`; with ``center`` and ``scale``.
    reliability
        (n_peaks,) area under the ROC curve over held-out cells, NaN for peaks hidden in none.
    """

    scan: Scan
    frequency: Floats
    depth: float
    loadings: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    coef: Floats
    center: Floats
    scale: Floats
    reliability: Floats

    def features(
        self, opened: sparse.csr_matrix, decoded: npt.NDArray[np.float32]
    ) -> Iterator[npt.NDArray[np.float32]]:
        """(n_cells, n_peaks) each: decoder, frequency, low ranks, neighbors and their expectation.

        Parameters
        ----------
        opened
            (n_cells, n_peaks) 1 where open.
        decoded
            (n_cells, n_peaks) log odds by the decoder.
        """
        dense = opened.toarray().astype(np.float32)
        number = dense.sum(1, keepdims=True)
        yield decoded
        yield np.broadcast_to(np.log(self.frequency).astype(np.float32), dense.shape)
        coded = np.log1p(1e4 * dense / np.maximum(number, 1) * self.weight)
        before = 0
        for k in _RANKS:
            if before < self.loadings.shape[1]:
                some = self.loadings[:, before:k]
                yield (coded @ some) @ some.T
            else:
                yield np.zeros_like(dense)
            before = k
        expected = self.scan.counts(self.frequency[None].astype(np.float32))
        for seen, usual in zip(self.scan.counts(dense), expected, strict=True):
            yield np.log1p(seen)
            yield np.log(usual * number / self.depth + _PSEUDO)

    def log_odds(
        self, opened: sparse.csr_matrix, decoded: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """(n_cells, n_peaks) relative log odds that each peak is open."""
        parts = []
        for start in range(0, opened.shape[0], _BLOCK):
            rows = slice(start, start + _BLOCK)
            total = np.zeros(decoded[rows].shape, np.float32)
            for i, one in enumerate(self.features(opened[rows], decoded[rows])):
                total += np.float32(self.coef[i] / self.scale[i]) * (
                    one - np.float32(self.center[i])
                )
            parts.append(total)
        return np.concatenate(parts)


def start_peaks(block: Block, order: Order, seed: int) -> PeakModel:
    """Measure frequencies and low ranks on the measured cells; weights are those of the decoder."""
    from sklearn.utils.extmath import randomized_svd

    X = block.X[block.rows]
    n, p = X.shape
    opened = np.bincount(X.indices, minlength=p)
    weight = np.log1p(n / np.maximum(opened, 1)).astype(np.float32)
    number = np.diff(X.indptr)
    coded = sparse.csr_matrix(
        (
            np.log1p(1e4 * X.data / np.repeat(np.maximum(number, 1), number) * weight[X.indices]),
            X.indices,
            X.indptr,
        ),
        shape=X.shape,
    )
    k = max(min(_RANKS[-1], n - 1, p - 1), 1)
    _, _, right = randomized_svd(coded, k, random_state=seed)
    m = 2 + len(_RANKS) + 2 * (len(EDGES) - 1)
    coef = np.zeros(m)
    coef[0] = 1.0
    return PeakModel(
        Scan.of(block, order, seed),
        (opened + _HALF) / (n + 1),
        float(number.mean()),
        right.T.astype(np.float32),
        weight,
        coef,
        np.zeros(m),
        np.ones(m),
        np.full(p, np.nan),
    )
