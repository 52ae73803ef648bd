"""Whether batches can be compared, told without labels before a network is trained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

_COMPONENTS, _LEADING = 50, 3
_NARROW = 0.4
"""A batch whose cells vary less than this part of the most varied batch holds few cell types."""
_ENOUGH = 20
"""Cells of a batch in which it can be seen how much they vary."""


def batches_compare(values: sparse.csr_matrix, batch_ids: npt.NDArray[np.int64], seed: int) -> bool:
    """Whether each batch can be normalized by its own statistics without harm.

    It does harm where a batch holds few of the cell types: its cells would be spread over the
    place of all. Such a batch varies little along the three leading axes of the variation within
    batches, each batch counting alike.

    Parameters
    ----------
    values
        (n_cells, n_genes) log-normalized expression.
    batch_ids
        (n_cells,) from 0.
    seed
        Of the 50 components of expression in which cells are looked at.
    """
    from sklearn.utils.extmath import randomized_svd

    large = np.flatnonzero(np.bincount(batch_ids) >= _ENOUGH)
    if len(large) < 2:
        return True
    k = min(_COMPONENTS, min(values.shape) - 1)
    cells = values @ randomized_svd(values, k, random_state=seed)[2].T
    spread = np.stack([np.cov(cells[batch_ids == b].T) for b in large])
    leading = np.linalg.eigh(spread.mean(0))[1][:, -_LEADING:]
    varied = np.einsum("bij,ik,jk->b", spread, leading, leading)
    return bool(varied.min() >= _NARROW * varied.max())
