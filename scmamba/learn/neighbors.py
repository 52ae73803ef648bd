"""Nearest cells in an embedding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba.stream.sampling import sample

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def nearest(
    reference: npt.NDArray[np.float32], cells: npt.NDArray[np.float32], k: int
) -> tuple[Floats, Ints]:
    """Distances (n, k) to the nearest reference cells and their rows (n, k), nearest first."""
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=min(k, len(reference))).fit(reference)
    distances, rows = search.kneighbors(cells)
    return distances, rows


def nearest_others(
    embedding: npt.NDArray[np.float32], k: int, most: int, seed: int
) -> tuple[Floats, Ints]:
    """Find the nearest other cells of at most ``most`` cells, drawn at random, among all.

    Returns
    -------
    Distances and rows, both (n, at most k); a cell is not among its own neighbors.
    """
    rows = sample(len(embedding), most, seed)
    distances, found = nearest(embedding, embedding[rows], k + 1)
    return distances[:, 1:], found[:, 1:]
