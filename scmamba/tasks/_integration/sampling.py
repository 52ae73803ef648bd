"""Which cells of large files an integrator is trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def sample_batches(batches: npt.NDArray[np.object_], most: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw at most ``most`` cells at random, in ascending order; small batches stay whole.

    Batches that are larger than a common limit are sampled down to it; the limit is the largest
    with which ``most`` cells suffice.

    Parameters
    ----------
    batches
        (n_cells,) batch of each cell.
    most
        Number of cells.
    seed
        Of the draw.
    """
    n = len(batches)
    if n <= most:
        return np.arange(n)
    _, ids, sizes = np.unique(batches.astype(str), return_inverse=True, return_counts=True)
    limit = _common_limit(np.sort(sizes), most)
    order = np.random.default_rng(seed).permutation(n)
    by_batch = order[np.argsort(ids[order], kind="stable")]
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.arange(n) - np.repeat(first, sizes)
    return np.sort(by_batch[rank < limit])


def _common_limit(sizes: npt.NDArray[np.int64], most: int) -> int:
    """Largest limit with which ascending ``sizes``, cut to it, sum to at most ``most``."""
    left = most
    for i, size in enumerate(sizes):
        share = left // (len(sizes) - i)
        if size > share:
            return int(share)
        left -= int(size)
    return int(sizes[-1])
