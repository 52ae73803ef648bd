"""Kriging whose predictions are stretched along each principal component of the effects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scmamba.learn.effects.kriging import Kriging
from scmamba.learn.effects.table import Floats

_ROWS_PER_COMPONENT = 5
"""Measured rows for each factor that is fitted."""
_MOST_COMPONENTS = 100
_LARGEST_FACTOR = 2.0


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
        (n, n_genes) effects. There are n / 5 components, at most 100.

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
    count = min(n // _ROWS_PER_COMPONENT, _MOST_COMPONENTS)
    if kriging.kernel == "mean" or count < 1:
        return kriging
    wanted, found = targets - kriging.center, kriging.held_out - kriging.center
    axes = _principal_axes(targets, count)
    product = np.einsum("ik,ik->k", wanted @ axes.T, found @ axes.T)
    square = np.square(found @ axes.T).sum(0)
    outside = _factor(np.vdot(wanted, found) - product.sum(), np.vdot(found, found) - square.sum())
    extra = _factor(product, square) - outside

    def scale(values: Floats) -> Floats:
        return outside * values + (values @ axes.T * extra) @ axes

    return replace(
        kriging,
        coefficients=scale(kriging.coefficients),
        held_out=kriging.center + scale(found),
    )


def _principal_axes(targets: Floats, count: int) -> Floats:
    """(count, n_genes) principal axes of rows, from their products; fewer where rows repeat."""
    centered = np.asarray(targets - targets.mean(0), np.float64)
    values, vectors = np.linalg.eigh(centered @ centered.T)
    kept = [i for i in range(len(values))[::-1][:count] if values[i] > 1e-9 * values[-1]]
    return (vectors[:, kept] / np.sqrt(values[kept])).T @ centered


def _factor(product: Floats, square: Floats) -> Floats:
    return np.clip(product / np.maximum(square, 1e-12), 0.0, _LARGEST_FACTOR)
