"""How well two modalities of the same cells, embedded apart, find each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._text import label_texts

Floats = npt.NDArray[np.float64]
_ROWS = 512


@dataclass(frozen=True)
class AlignmentScores:
    """Scores of two modalities of the same cells in one space; see :func:`alignment`.

    Attributes
    ----------
    foscttm
        Fraction of samples closer than the true match, in [0, 1]: 0 is best, .5 is chance.
    label_transfer
        Accuracy of the labels of cells of one modality by their nearest cells of the other, mean of
        both directions; NaN without labels.
    modality_mixing
        Cells of the other modality among the nearest neighbors, divided by how many there would be
        in a perfect mixture; in [0, 1], 1 is best.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.metrics import multiomics
    >>> cells = np.random.default_rng(0).normal(size=(60, 4))
    >>> multiomics.alignment(cells, cells).foscttm
    0.0
    """

    foscttm: float
    label_transfer: float
    modality_mixing: float


def alignment(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    labels: npt.ArrayLike | None = None,
    *,
    n_neighbors: int = 15,
) -> AlignmentScores:
    """Score embeddings of the same cells by two modalities.

    Parameters
    ----------
    first, second
        (n_cells, d) embedding of each cell by one modality, rows in the same order.
    labels
        (n_cells,) labels; those that are missing or ``unknown`` are not scored.
    n_neighbors
        Nearest neighbors, for label transfer and mixing.

    Raises
    ------
    ScmambaError
        If shapes differ, values are not finite, or there are no more cells than neighbors.

    Notes
    -----
    FOSCTTM: Liu et al., Jointly embedding multiple single-cell omics measurements, WABI 2019; mean
    of both directions, Euclidean distances, ties as half.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.metrics import multiomics
    >>> rng = np.random.default_rng(0)
    >>> cells = rng.normal(size=(60, 4))
    >>> scores = multiomics.alignment(cells, cells + rng.normal(0, 0.1, cells.shape))
    >>> scores.foscttm < 0.05
    True
    """
    a, b = (np.asarray(one, dtype=np.float64) for one in (first, second))
    if a.shape != b.shape or a.ndim != 2 or not np.isfinite(a).all() or not np.isfinite(b).all():
        raise ScmambaError(
            f"first has shape {a.shape} and second {b.shape}; give finite values of the same "
            "shape, cells by dimensions, for cells that have both modalities"
        )
    if not 1 <= n_neighbors < len(a):
        raise ScmambaError(
            f"n_neighbors={n_neighbors} for {len(a)} cells; give 1 or more, fewer than cells"
        )
    transfer = float("nan")
    if labels is not None:
        texts, missing = label_texts(labels, unlabeled="unknown")
        kept = np.flatnonzero(~missing)
        ways = [_transfer(x[kept], y[kept], texts[kept], n_neighbors) for x, y in ((a, b), (b, a))]
        transfer = float(np.mean(ways))
    return AlignmentScores(
        (_closer(a, b) + _closer(b, a)) / 2, transfer, _mixing(a, b, n_neighbors)
    )


def _closer(a: Floats, b: Floats) -> float:
    """Mean fraction of rows of ``b`` that are closer to a row of ``a`` than its own."""
    own = ((a - b) ** 2).sum(1)
    total = 0.0
    for start in range(0, len(a), _ROWS):
        rows = slice(start, start + _ROWS)
        squared = _squared(a[rows], b)
        position = np.arange(*rows.indices(len(a)))
        mine = own[position][:, None]
        squared[np.arange(len(position)), position] = own[position]
        total += (squared < mine).sum() + ((squared == mine).sum() - len(position)) / 2
    return float(total / (len(a) * max(len(a) - 1, 1)))


def _squared(a: Floats, b: Floats) -> Floats:
    differences = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.maximum(differences, 0))


def _transfer(a: Floats, b: Floats, labels: npt.NDArray[np.object_], k: int) -> float:
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(min(k, len(b))).fit(b, labels.astype(str))
    return float((model.predict(a) == labels.astype(str)).mean())


def _mixing(a: Floats, b: Floats, k: int) -> float:
    """Fraction of neighbors of the other modality over that of a perfect mixture, at most 1."""
    from sklearn.neighbors import NearestNeighbors

    both = np.concatenate([a, b])
    second = np.arange(len(both)) >= len(a)
    near = NearestNeighbors(n_neighbors=k).fit(both).kneighbors(return_distance=False)
    others = (second[near] != second[:, None]).mean()
    return float(min(others / (len(a) / (len(both) - 1)), 1))
