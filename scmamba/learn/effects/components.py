"""Kriging whose predictions are stretched along each principal component of the effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from scmamba.learn.effects.kriging import Kriging
from scmamba.learn.effects.table import Floats

ROWS_PER_COMPONENT = (20, 10, 5, 3)
"""Measured rows for each factor that is fitted, to choose from."""
_MOST_COMPONENTS = 100
_LARGEST_FACTOR = 2.0
_FOLDS = 5


def scale_components(kriging: Kriging, targets: Floats) -> Kriging:
    """Scale predictions by the factors that fit left-out rows best.

    One noise variance for all genes shrinks what similar perturbations share as much as what is
    noise. Here the part of a prediction along each principal component of the effects is multiplied
    by a least-squares factor between 0 and 2, fitted to the predictions of left-out rows; all that
    is outside the components has one factor of its own.

    Parameters
    ----------
    kriging
        Fitted on ``targets``.
    targets
        (n, n_genes) effects. There are none, or n / 20 to n / 3 components, at most 100: as many
        as predict rows best that took no part in the components and the factors.

    Returns
    -------
    The same fit with scaled ``coefficients`` and ``held_out``; ``error`` stays that of the choice.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.learn.effects.kriging import fit_kriging
    >>> effects = np.kron([[1.0], [-1.0]], np.ones((5, 1))) * [1.0, 1.0]
    >>> fitted = fit_kriging({"groups": np.kron(np.eye(2), np.ones((5, 5)))}, effects)
    >>> left_out = scale_components(fitted, effects).held_out
    >>> bool(abs(left_out - effects).mean() < abs(fitted.held_out - effects).mean())
    True
    """
    n = len(targets)
    counts = sorted({min(n // rows, _MOST_COMPONENTS) for rows in ROWS_PER_COMPONENT} - {0})
    if kriging.kernel == "mean" or n < 2 * _FOLDS:
        return kriging
    wanted, found = targets - kriging.center, kriging.held_out - kriging.center
    count = _choose_count(wanted, found, counts)
    if count == 0:
        return kriging
    scaling = _Scaling.fit(wanted, found, _principal_axes(wanted, count))
    return replace(
        kriging,
        coefficients=scaling(kriging.coefficients),
        held_out=kriging.center + scaling(found),
    )


@dataclass(frozen=True)
class _Scaling:
    """Factors of the components, and one of what is outside them.

    Attributes
    ----------
    axes
        (count, n_genes) principal axes.
    extra
        (count,) factor of each component minus ``outside``.
    outside
        Factor of the rest.
    """

    axes: Floats
    extra: Floats
    outside: float

    @staticmethod
    def fit(wanted: Floats, found: Floats, axes: Floats) -> _Scaling:
        """Least squares of ``wanted`` on ``found``, each (n, n_genes)."""
        mine = found @ axes.T
        product = np.einsum("ik,ik->k", wanted @ axes.T, mine)
        square = np.square(mine).sum(0)
        rest = np.vdot(wanted, found) - product.sum()
        outside = _factor(rest, np.vdot(found, found) - square.sum())
        return _Scaling(axes, _factor(product, square) - outside, float(outside))

    def __call__(self, values: Floats) -> Floats:
        """Scale rows (n, n_genes)."""
        return self.outside * values + (values @ self.axes.T * self.extra) @ self.axes


def _choose_count(wanted: Floats, found: Floats, counts: Sequence[int]) -> int:
    """Choose a number of components, or 0, by the error of rows left out of their fit.

    All follows from products of rows, so that the cost hardly grows with the number of genes.
    """
    gram, cross = wanted @ wanted.T, found @ wanted.T
    rows = np.stack([np.square(found).sum(1), np.diag(cross), np.diag(gram)])
    errors = dict.fromkeys((0, *counts), 0.0)
    fold_of = np.arange(len(wanted)) % _FOLDS
    for fold in range(_FOLDS):
        held, rest = fold_of == fold, fold_of != fold
        errors[0] += float(rows[0, held].sum() - 2 * rows[1, held].sum() + rows[2, held].sum())
        # (n, count) parts of all rows along the principal axes of the rows that are left
        centered, other = (x[:, rest] - x[:, rest].mean(1, keepdims=True) for x in (gram, cross))
        values, vectors = np.linalg.eigh(centered[rest] - centered[rest].mean(0))
        kept = [i for i in range(len(values))[::-1][: counts[-1]] if values[i] > 1e-9 * values[-1]]
        axes = vectors[:, kept] / np.sqrt(values[kept])
        mine, guess = centered @ axes, other @ axes
        for count in counts:
            parts = [(guess**2)[:, :count], (mine * guess)[:, :count], (mine**2)[:, :count]]
            left = rows - np.stack([part.sum(1) for part in parts])
            outside = _factor(left[1, rest].sum(), left[0, rest].sum())
            factors = _factor(parts[1][rest].sum(0), parts[0][rest].sum(0))
            inside = [part[held].sum(0) for part in parts]
            missed = factors**2 * inside[0] - 2 * factors * inside[1] + inside[2]
            over = left[:, held].sum(1)
            errors[count] += float(
                missed.sum() + outside**2 * over[0] - 2 * outside * over[1] + over[2]
            )
    return min(errors, key=lambda count: errors[count])


def _principal_axes(targets: Floats, count: int) -> Floats:
    """(count, n_genes) principal axes of rows, from their products; fewer where rows repeat."""
    centered = np.asarray(targets - targets.mean(0), np.float64)
    values, vectors = np.linalg.eigh(centered @ centered.T)
    kept = [i for i in range(len(values))[::-1][:count] if values[i] > 1e-9 * values[-1]]
    return (vectors[:, kept] / np.sqrt(values[kept])).T @ centered


def _factor(product: Floats, square: Floats) -> Floats:
    return np.clip(product / np.maximum(square, 1e-12), 0.0, _LARGEST_FACTOR)
