"""Kriging: effects of unseen perturbations from those of similar ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba.learn.effects.table import Floats

NOISES = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
"""Noise variances to choose from, in units of the kernel's diagonal."""


@dataclass(frozen=True)
class Kriging:
    """Gaussian process with an unknown constant mean (ordinary kriging), fitted.

    Attributes
    ----------
    kernel
        Name of the chosen kernel; ``"mean"`` if the mean alone predicts best.
    noise
        Chosen noise variance.
    center
        (n_genes,) mean.
    coefficients
        (n, n_genes) weights of the training rows.
    held_out
        (n, n_genes) prediction of each training row from all others.
    error
        Mean squared error of ``held_out``, each row weighted by its precision.
    """

    kernel: str
    noise: float
    center: Floats
    coefficients: Floats
    held_out: Floats
    error: float

    def predict(self, kernel: Floats) -> Floats:
        """(m, n_genes) prediction from the kernel (m, n) between new rows and training rows."""
        if self.kernel == "mean":
            return np.tile(self.center, (len(kernel), 1))
        return self.center + kernel @ self.coefficients


def fit_kriging(
    kernels: Mapping[str, Floats], targets: Floats, variance: Floats | None = None
) -> Kriging:
    """Fit kriging with the kernel and noise that predict left-out rows best.

    Parameters
    ----------
    kernels
        (n, n) symmetric, positive semi-definite kernels by name; the mean alone is always tried.
    targets
        (n, n_genes) effects.
    variance
        (n,) relative sampling variance of each row, mean 1; None: all the same.

    Notes
    -----
    Leave-one-out residuals are in closed form (Dubrule, Mathematical Geology 1983).

    Examples
    --------
    >>> import numpy as np
    >>> kernel = np.kron(np.eye(2), np.ones((3, 3)))  # two groups of three
    >>> effects = np.array([[1.0], [1.1], [0.9], [-1.0], [-1.1], [-0.9]])
    >>> fitted = fit_kriging({"groups": kernel}, effects)
    >>> fitted.kernel, bool(fitted.predict(kernel[:1])[0, 0] > 0.8)
    ('groups', True)
    """
    wanted = np.asarray(targets, np.float64)
    spread = np.ones(len(wanted)) if variance is None else np.asarray(variance, np.float64)
    best = _mean_alone(wanted, spread)
    for name, kernel in kernels.items():
        for noise in NOISES:
            candidate = _fit(name, kernel, noise, wanted, spread)
            if candidate.error < best.error:
                best = candidate
    return best


def _mean_alone(targets: Floats, spread: Floats) -> Kriging:
    none = np.zeros((len(targets), len(targets)))
    return _fit("mean", none, 1.0, targets, spread)


def _fit(name: str, kernel: Floats, noise: float, targets: Floats, spread: Floats) -> Kriging:
    n = len(targets)
    inverse = np.linalg.inv(kernel + noise * np.diag(spread))
    ones = inverse @ np.ones(n)
    center = (ones @ targets) / ones.sum()
    coefficients = inverse @ (targets - center)
    if n > 1:
        projected = inverse - np.outer(ones, ones) / ones.sum()
        left_out = targets - (projected @ targets) / np.diag(projected)[:, None]
    else:
        left_out = np.zeros_like(targets)
    weight = 1 / (spread + spread.mean())
    error = float(weight @ np.square(targets - left_out).mean(1) / weight.sum())
    return Kriging(name, noise, center, coefficients, left_out, error)


def relative_variance(errors: Floats | None, n: int) -> npt.NDArray[np.float64]:
    """(n,) sampling variance of each row relative to their mean, from standard errors, or 1."""
    if errors is None:
        return np.ones(n)
    found = np.square(errors, dtype=np.float64).mean(1)
    mean = found.mean()
    return found / mean if mean > 0 else np.ones(n)
