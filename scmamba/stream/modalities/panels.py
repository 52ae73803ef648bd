"""Which features were measured in which cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.stream.modalities.container import Bools, Ints

EXPECTED = 30.0
"""Cells with a feature expected in a batch above which their absence says that the batch lacks
it: by chance that happens with a probability below 1e-13."""


def distinct_panels(panels: Bools, panel: Ints) -> tuple[Bools, Ints]:
    """Merge equal panels and leave out those of no cell.

    Parameters
    ----------
    panels : (n_panels, n_features)
    panel : (n_cells,)

    Examples
    --------
    >>> import numpy as np
    >>> masks = np.array([[True, False], [True, True], [True, False]])
    >>> panels, panel = distinct_panels(masks, np.array([0, 2, 1]))
    >>> len(panels), panel.tolist()
    (2, [0, 0, 1])
    """
    kept, panel = np.unique(panel, return_inverse=True)
    places: dict[bytes, int] = {}
    rows = [places.setdefault(np.packbits(panels[i]).tobytes(), len(places)) for i in kept]
    first = np.unique(rows, return_index=True)[1]
    return panels[kept[first]], np.asarray(rows, dtype=np.int64)[panel]


def split_by_batch(
    X: sparse.csr_matrix, panels: Bools, panel: Ints, batch: npt.NDArray[np.int64]
) -> tuple[Bools, Ints]:
    """Take features for not measured in a batch that has no value of them by far.

    A feature is not measured in a batch in which no cell has it, although at the rate of the other
    batches more than 30 would: outer joins and panels of antibodies leave such columns of zeros.

    Parameters
    ----------
    X : (n_cells, n_features)
        Values.
    panels, panel
        See :class:`~scmamba.stream.modalities.Modality`.
    batch : (n_cells,)
        Batch of each cell, -1 where it is not known.

    Returns
    -------
    New ``panels`` and ``panel``.
    """
    n_batches = int(batch.max(initial=-1)) + 1
    lacking = np.zeros((n_batches + 1, X.shape[1]), dtype=bool)  # the last: no batch known
    n_with = np.zeros((n_batches, X.shape[1]))
    n_measured = np.zeros((n_batches, X.shape[1]))
    for one in range(n_batches):
        rows = np.flatnonzero(batch == one)
        n_with[one] = X[rows].getnnz(axis=0)
        counts = np.bincount(panel[rows], minlength=len(panels))
        n_measured[one] = counts @ panels
    for one in range(n_batches):
        others = np.arange(n_batches) != one
        rate = n_with[others].sum(0) / np.maximum(n_measured[others].sum(0), 1)
        lacking[one] = (n_with[one] == 0) & (rate * n_measured[one] > EXPECTED)
    if not lacking.any():
        return panels, panel
    pairs, codes = np.unique(np.stack([panel, batch]), axis=1, return_inverse=True)
    return distinct_panels(panels[pairs[0]] & ~lacking[pairs[1]], codes.reshape(-1))
