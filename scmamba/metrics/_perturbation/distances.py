"""Distances between two groups of cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.floating]


def energy_distance(x: Values, y: Values) -> float:
    """Energy distance 2 d(x, y) - d(x, x) - d(y, y), with d the mean Euclidean distance.

    Parameters
    ----------
    x, y
        (n, d) and (m, d) cells, at least one each.

    Notes
    -----
    Rizzo and Székely, Energy distance, WIREs Computational Statistics 2016. Pairs of a cell with
    itself are included, as in cell-eval.

    Examples
    --------
    >>> import numpy as np
    >>> energy_distance(np.array([[0.0]]), np.array([[3.0]]))
    6.0
    """
    from sklearn.metrics import pairwise_distances

    between, within_x, within_y = (
        float(pairwise_distances(a, b).mean(dtype=np.float64)) for a, b in ((x, y), (x, x), (y, y))
    )
    return 2 * between - within_x - within_y


def mmd(x: Values, y: Values) -> float:
    """Squared maximum mean discrepancy with a Gaussian kernel.

    Parameters
    ----------
    x, y
        (n, d) measured and (m, d) predicted cells. The width of the kernel is the median distance
        between measured cells, which does not depend on predictions.

    Notes
    -----
    Gretton et al., A kernel two-sample test, JMLR 2012; the biased estimate, which is never
    negative.

    Examples
    --------
    >>> import numpy as np
    >>> cells = np.arange(6.0).reshape(3, 2)
    >>> abs(round(mmd(cells, cells), 6))
    0.0
    """
    from sklearn.metrics import pairwise_distances

    within_x = pairwise_distances(x)
    width = np.median(within_x[within_x > 0]) if (within_x > 0).any() else 1.0
    means = [
        float(np.exp(-((distance / width) ** 2) / 2).mean(dtype=np.float64))
        for distance in (within_x, pairwise_distances(y), pairwise_distances(x, y))
    ]
    return means[0] + means[1] - 2 * means[2]
