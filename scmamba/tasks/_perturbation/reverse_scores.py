"""How alike wanted changes and effects are, each effect without the genes that it perturbs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import Floats


def compare(
    changes: Floats,
    present: npt.NDArray[np.bool_],
    perturbations: Sequence[Perturbation],
    effects: Floats,
    place: Mapping[str, int],
) -> tuple[Floats, Floats]:
    """Compare each wanted change with each effect, over genes that the effect does not perturb.

    Parameters
    ----------
    changes
        (n_targets, n_genes) wanted changes; 0 where ``present`` is False.
    present
        (n_genes,) genes to compare.
    perturbations
        (n,) what each effect perturbs.
    effects
        (n, n_genes) effects.
    place
        Column of each gene.

    Returns
    -------
    (n_targets, n) Pearson correlations, 0 where one side is constant; (n_targets, n) root mean
    squared differences.
    """
    found = np.where(present, effects, 0.0).astype(np.float64)
    own = [
        (i, place[name])
        for i, one in enumerate(perturbations)
        for name in one
        if name in place and present[place[name]]
    ]
    rows, columns = np.array(own, np.int64).reshape(-1, 2).T
    found[rows, columns] = 0.0
    left_out = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=found.shape)
    n = present.sum() - np.asarray(left_out.sum(1)).ravel()
    total = changes.sum(1)[:, None] - (left_out @ changes.T).T
    square = np.square(changes).sum(1)[:, None] - (left_out @ np.square(changes).T).T
    own_total, own_square, product = found.sum(1), np.square(found).sum(1), changes @ found.T
    spread = np.maximum(square - total**2 / n, 0) * np.maximum(own_square - own_total**2 / n, 0)
    floor = 1e-20 * np.maximum(square * own_square, 1e-300)
    covariance = product - total * own_total / n
    score = np.where(spread > floor, covariance / np.sqrt(np.maximum(spread, floor)), 0.0)
    return score, np.sqrt(np.maximum(square + own_square - 2 * product, 0) / n)
