"""Batches of cells of similar length, so that little of what is computed is padding."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_WINDOW = 32
"""Batches whose cells are sorted together: more means less padding and less mixing."""


def length_buckets(
    lengths: npt.NDArray[np.int64],
    batch_size: int,
    *,
    rng: np.random.Generator | None = None,
) -> list[npt.NDArray[np.int64]]:
    """Group cells of similar length into batches.

    Parameters
    ----------
    lengths
        (n_cells,) length of each cell.
    batch_size
        Cells a batch. With ``rng`` a last smaller batch is spread over the others, as batch
        statistics of a handful of cells are poor; no batch is then empty or of one cell.
    rng
        Shuffles cells before they are grouped, and batches afterwards; for training. None: one
        sort by length, for prediction.

    Returns
    -------
    Positions of the cells of each batch; every cell is in exactly one.
    """
    n = len(lengths)
    if rng is None:
        order = np.argsort(lengths, kind="stable")
        return [order[i : i + batch_size] for i in range(0, n, batch_size)]
    order = rng.permutation(n)
    window = _WINDOW * batch_size
    parts = [order[i : i + window] for i in range(0, n, window)]
    order = (
        np.concatenate([p[np.argsort(lengths[p], kind="stable")] for p in parts]) if n else order
    )
    batches = np.array_split(order, max(n // batch_size, 1))
    return [batches[i] for i in rng.permutation(len(batches))]


def padding_share(lengths: npt.NDArray[np.int64], batches: list[npt.NDArray[np.int64]]) -> float:
    """Share of padding among all tokens of ``batches``, in [0, 1)."""
    total = sum(len(rows) * int(lengths[rows].max()) for rows in batches if len(rows))
    real = sum(int(lengths[rows].sum()) for rows in batches)
    return 1 - real / total if total else 0.0
