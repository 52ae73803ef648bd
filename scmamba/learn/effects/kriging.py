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
    products = wanted @ wanted.T / wanted.shape[1]
    chosen = choose_kriging(kernels, products, spread)
    return finish_kriging(chosen, kernels, wanted, spread)


@dataclass(frozen=True)
class Choice:
    """A kernel and a noise variance, with the error of left-out rows.

    Attributes
    ----------
    kernel, noise, error
        As in :class:`Kriging`.
    """

    kernel: str
    noise: float
    error: float


def choose_kriging(kernels: Mapping[str, Floats], products: Floats, spread: Floats) -> Choice:
    """Choose kernel and noise by the error of left-out rows.

    Only products of the rows are needed, so that the cost does not grow with the number of genes.

    Parameters
    ----------
    kernels
        (n, n) kernels by name.
    products
        (n, n) mean over genes of the products of effects.
    spread
        (n,) relative sampling variance of each row.
    """
    none = np.zeros_like(products)
    found = [Choice("mean", 1.0, _left_out_error(none, 1.0, products, spread))]
    for name, kernel in kernels.items():
        found += [
            Choice(name, noise, _left_out_error(kernel, noise, products, spread))
            for noise in NOISES
        ]
    return min(found, key=lambda one: one.error)


def finish_kriging(
    choice: Choice, kernels: Mapping[str, Floats], targets: Floats, spread: Floats
) -> Kriging:
    """Fit the chosen kernel and noise to ``targets`` (n, n_genes)."""
    n = len(targets)
    kernel = np.zeros((n, n)) if choice.kernel == "mean" else kernels[choice.kernel]
    inverse, projected = _inverses(kernel, choice.noise, spread)
    ones = inverse @ np.ones(n)
    center = (ones @ targets) / ones.sum()
    coefficients = inverse @ (targets - center)
    left_out = np.zeros_like(targets)
    if n > 1:
        left_out = targets - (projected @ targets) / np.diag(projected)[:, None]
    return Kriging(choice.kernel, choice.noise, center, coefficients, left_out, choice.error)


def _inverses(kernel: Floats, noise: float, spread: Floats) -> tuple[Floats, Floats]:
    """Inverse of the covariance, and the same with the mean projected out."""
    inverse = np.linalg.inv(kernel + noise * np.diag(spread))
    ones = inverse @ np.ones(len(kernel))
    return inverse, inverse - np.outer(ones, ones) / ones.sum()


def _left_out_error(kernel: Floats, noise: float, products: Floats, spread: Floats) -> float:
    """Mean squared error of left-out rows, each weighted by its precision."""
    if len(kernel) < 2:
        return float(np.trace(products))
    _, projected = _inverses(kernel, noise, spread)
    squares = np.einsum("ij,ij->i", projected @ products, projected)
    weight = 1 / (spread + spread.mean())
    return float(weight @ (squares / np.square(np.diag(projected))) / weight.sum())


def relative_variance(errors: Floats | None, n: int) -> npt.NDArray[np.float64]:
    """(n,) sampling variance of each row relative to their mean, from standard errors, or 1."""
    if errors is None:
        return np.ones(n)
    found = np.square(errors, dtype=np.float64).mean(1)
    mean = found.mean()
    return found / mean if mean > 0 else np.ones(n)
