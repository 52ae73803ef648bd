"""Logistic regression on a matrix of features, kept as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """Class logits ``((x - mean) / scale) @ coef.T + intercept``.

    Attributes
    ----------
    coef
        (n_classes, n_features); rows of classes it never saw are 0.
    intercept
        (n_classes,); -inf stands for a class it never saw.
    """

    coef: Floats
    intercept: Floats

    def logits(self, x: npt.ArrayLike | sparse.csr_matrix) -> Floats:
        """(n, n_classes) logits of (n, n_features)."""
        return np.asarray(x @ self.coef.T) + self.intercept


def fit_linear(
    x: npt.NDArray[np.float32] | sparse.csr_matrix,
    codes: npt.NDArray[np.int64],
    n_classes: int,
    *,
    standardise: bool = False,
    C: float = 1.0,
) -> Linear:
    """Fit a class-balanced, L2-penalised multinomial logistic regression (scikit-learn, lbfgs).

    Parameters
    ----------
    x
        (n, n_features).
    codes
        (n,) classes in [0, n_classes); not all need be there.
    standardise
        Bring dense features to mean 0 and variance 1 first; the result takes them as they were.
    C
        Inverse strength of the penalty.
    """
    mean, scale = 0.0, 1.0
    if standardise:
        dense = np.asarray(x, dtype=np.float64)
        mean, scale = dense.mean(0), dense.std(0) + 1e-6
        x = (dense - mean) / scale
    fitted = LogisticRegression(C=C, class_weight="balanced", max_iter=300).fit(x, codes)
    coef, intercept = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # one row stands for both: split it evenly
        coef = np.vstack([-coef / 2, coef / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    coef = coef / scale
    all_coef = np.zeros((n_classes, coef.shape[1]))
    all_intercept = np.full(n_classes, -np.inf)
    all_coef[fitted.classes_] = coef
    all_intercept[fitted.classes_] = intercept - coef @ np.broadcast_to(mean, coef.shape[1])
    return Linear(all_coef, all_intercept)
