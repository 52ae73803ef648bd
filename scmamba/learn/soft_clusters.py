"""Batch effects left in an embedding, estimated and taken off within soft clusters of cells.

Cells belong to clusters in shares that depend on the angle to each center and on how rare their
batch is there; within a cluster, each batch has an offset from the mean of all. Clusters and
offsets are those of Harmony (Korsunsky et al., Nature Methods 2019), but for the shrinkage. An
offset is shrunk towards the mean offset of its batch over all clusters, and that mean towards
zero: what is shrunk is multiplied by the positive part of 1 - s / |it|^2, where s is the squared
length that chance alone gives it (James and Stein, 1961). Batches that mix already stay as they
are, and those of few cells are moved by what their clusters have in common.
What is fitted are tables: the correction of a cell depends on that cell and its batch alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_WIDTHS = (0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05)
"""Softness of the clusters in each round: first wide, so that batches meet, then sharp."""
_DIVERSITY = 2.0
"""How strongly a cluster draws in batches that are rare in it."""
_CELLS_PER_CLUSTER, _MOST_CLUSTERS = 30, 100
_SWEEPS, _PARTS = 5, 20
"""Passes over all cells that move centers in a round, and parts in which shares are updated."""
_REACH = 9.0
"""A cell of a new batch counts up to this many variances of its cluster from the mean."""
_TINY = 1e-9


@dataclass(frozen=True)
class SoftClusters:
    """Offsets of B batches in K soft clusters of a d-dimensional embedding, in T rounds.

    Attributes
    ----------
    centers
        (T, K, d) directions of the clusters, of length 1.
    tilt
        (T, B, K) what is added to the log share of a batch's cells in each cluster.
    offsets
        (T, B, K, d) what is taken off them.
    means
        (T, K, d) mean of all cells of a cluster.
    variances
        (T, K) mean squared distance of cells from the mean of their batch in a cluster.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.learn.soft_clusters import SoftClusters
    >>> rng = np.random.default_rng(0)
    >>> batch_ids = np.repeat([0, 1], 300)
    >>> centers = np.tile(np.repeat([[9.0, 0.0], [0.0, 9.0]], 150, axis=0), (2, 1))
    >>> cells = centers + rng.normal(size=(600, 2)) + 2.0 * batch_ids[:, None]
    >>> corrected = SoftClusters.fit(cells, batch_ids, seed=0).correct(cells, batch_ids)
    >>> apart = corrected[batch_ids == 1].mean(0) - corrected[batch_ids == 0].mean(0)
    >>> bool(np.abs(apart).max() < 0.3)
    True
    """

    centers: Floats
    tilt: Floats
    offsets: Floats
    means: Floats
    variances: Floats

    @classmethod
    def fit(cls, embedding: npt.NDArray[np.floating], batch_ids: Ints, seed: int) -> SoftClusters:
        """Fit clusters and offsets.

        Parameters
        ----------
        embedding
            (n_cells, d).
        batch_ids
            (n_cells,) from 0.
        seed
            Of the first centers and the order of updates.
        """
        given = np.asarray(embedding, np.float32)
        rng, now, centers, rounds = np.random.default_rng(seed), given, None, []
        for width in _WIDTHS:
            centers, tilt = _clusters(_directions(now), batch_ids, centers, width, rng)
            shares = _shares(now, centers, tilt[batch_ids], width)
            one = (centers, tilt, *_offsets(given, shares, batch_ids))
            now = given - _spread(shares, one[2], batch_ids)
            rounds.append(one)
        return cls(*(np.stack(table).astype(np.float32) for table in zip(*rounds, strict=True)))

    def correct(self, embedding: npt.NDArray[np.floating], batch_ids: Ints) -> Floats:
        """Correct cells (n_cells, d) of fitted batches (n_cells,)."""
        given = now = np.asarray(embedding, np.float32)
        for i, width in enumerate(_WIDTHS):
            shares = _shares(now, self.centers[i], self.tilt[i][batch_ids], width)
            now = given - _spread(shares, self.offsets[i], batch_ids)
        return now

    def correct_new(self, embedding: npt.NDArray[np.floating]) -> Floats:
        """Correct cells (n_cells, d) that are all of one new batch.

        Its offsets are estimated from those of its cells that lie within the reach of a cluster;
        cells unlike any that was fitted do not count.
        """
        given = now = np.asarray(embedding, np.float32)
        for i, width in enumerate(_WIDTHS):
            means, variances = self.means[i], self.variances[i]
            shares = _shares(now, self.centers[i], np.zeros(1, np.float32), width)
            near = shares.argmax(1)
            counts = ((now - means[near]) ** 2).sum(1) <= _REACH * variances[near]
            total, squares, own = _moments(given[counts], shares[counts])
            chance = variances * squares / np.maximum(total, _TINY) ** 2
            now = given - shares @ _shrunk(own - means, chance, total)
        return now


def _directions(cells: Floats) -> Floats:
    length = np.linalg.norm(cells, axis=1, keepdims=True)
    return np.asarray(cells / np.maximum(length, _TINY), np.float32)


def _shares(cells: Floats, centers: Floats, tilt: Floats, width: float) -> Floats:
    """(n, K) shares of cells in clusters; ``tilt`` (n, K) is added to their logarithms."""
    return _normalized(2 / width * (_directions(cells) @ centers.T) + tilt)


def _normalized(logs: Floats) -> Floats:
    shares = np.exp(logs - logs.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float32)


def _clusters(
    directions: Floats,
    batch_ids: Ints,
    centers: Floats | None,
    width: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Centers (K, d) and tilts (B, K) of soft spherical k-means in which batches are diverse."""
    from scipy import sparse

    n = len(directions)
    member = sparse.csr_matrix((np.ones(n, np.float32), batch_ids, np.arange(n + 1)))
    fractions = np.asarray(member.sum(0)).ravel() / n
    if centers is None:
        centers = _first_centers(directions, int(rng.integers(2**31)))
    shares = _normalized(2 / width * (directions @ centers.T))
    counts = member.T @ shares  # (B, K)
    for _ in range(_SWEEPS):
        centers = _directions(shares.T @ directions)
        logs = 2 / width * (directions @ centers.T)
        for part in np.array_split(rng.permutation(n), _PARTS):
            counts -= member[part].T @ shares[part]
            shares[part] = _normalized(logs[part] + _tilt(counts, fractions)[batch_ids[part]])
            counts += member[part].T @ shares[part]
    return centers, _tilt(counts, fractions)


def _first_centers(directions: Floats, seed: int) -> Floats:
    from sklearn.cluster import KMeans

    k = int(np.clip(round(len(directions) / _CELLS_PER_CLUSTER), 1, _MOST_CLUSTERS))
    found = KMeans(k, n_init=1, max_iter=25, random_state=seed).fit(directions)
    return _directions(found.cluster_centers_)


def _tilt(counts: Floats, fractions: npt.NDArray[np.float64]) -> Floats:
    """(B, K) log ratios of expected to present cells of each batch, one of each added."""
    expected = np.outer(fractions, counts.sum(0))
    return np.asarray(_DIVERSITY * np.log((expected + 1) / (np.maximum(counts, 0) + 1)), np.float32)


def _offsets(cells: Floats, shares: Floats, batch_ids: Ints) -> tuple[Floats, Floats, Floats]:
    """Offsets (B, K, d), means (K, d) and variances (K,) of clusters."""
    n_batches = int(batch_ids.max()) + 1
    parts = [np.flatnonzero(batch_ids == b) for b in range(n_batches)]
    moments = [_moments(cells[rows], shares[rows]) for rows in parts]
    total, squares, own = (np.stack(one) for one in zip(*moments, strict=True))
    fraction = total / np.maximum(total.sum(0), _TINY)
    means = (fraction[..., None] * own).sum(0)
    lengths = shares.T @ (cells**2).sum(1) / np.maximum(total.sum(0), _TINY)
    variances = np.maximum(lengths - (fraction * (own**2).sum(2)).sum(0), 0)
    chance = variances * squares / np.maximum(total, _TINY) ** 2 * (1 - fraction)
    return _shrunk(own - means, chance, total), means, variances


def _moments(cells: Floats, shares: Floats) -> tuple[Floats, Floats, Floats]:
    """Return sums (K,) of shares and of their squares, and means (K, d) of clusters."""
    total = shares.sum(0)
    return total, (shares**2).sum(0), shares.T @ cells / np.maximum(total, _TINY)[:, None]


def _shrunk(offsets: Floats, chance: Floats, total: Floats) -> Floats:
    """Shrink offsets (..., K, d) of clusters towards their mean, and that mean towards zero.

    ``chance`` (..., K) is the squared length that chance gives them, ``total`` (..., K) the sum of
    shares; clusters without cells have no offset.
    """
    weight = total / np.maximum(total.sum(-1, keepdims=True), _TINY)
    mean = (weight[..., None] * offsets).sum(-2)
    mean = _stein(mean, (weight**2 * chance).sum(-1))[..., None, :]
    found = mean + _stein(offsets - mean, chance)
    return np.asarray(np.where((total > _TINY)[..., None], found, 0), np.float32)


def _stein(vectors: Floats, chance: Floats) -> Floats:
    """Shrink vectors (..., d) by the squared length (...,) that chance gives them."""
    squared = np.maximum((vectors**2).sum(-1), _TINY)
    return np.asarray(np.maximum(1 - chance / squared, 0)[..., None] * vectors)


def _spread(shares: Floats, offsets: Floats, batch_ids: Ints) -> Floats:
    """(n, d) what is taken off each cell: offsets of its batch by its shares."""
    found = np.empty((len(shares), offsets.shape[-1]), np.float32)
    for batch in np.unique(batch_ids):
        rows = np.flatnonzero(batch_ids == batch)
        found[rows] = shares[rows] @ offsets[batch]
    return found
