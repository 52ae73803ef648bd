"""The linear component: logistic or ridge regression, kept as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from scmamba.learn.calibration import Kind

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Floats = npt.NDArray[np.float64]
Matrix: TypeAlias = Any
"""(n, n_features) features: a dense array, or a sparse matrix in CSR format."""


@dataclass(frozen=True)
class Linear:
    """Linear outputs ``x @ coef.T + intercept``: logits of classes or labels, or numbers.

    Attributes
    ----------
    coef
        (n_outputs, n_features); 0 for classes without training examples.
    intercept
        (n_outputs,); -inf for classes without training examples.
    """

    coef: Floats
    intercept: Floats

    def logits(self, x: Matrix) -> Floats:
        """(n, n_outputs) outputs for the features ``x`` (n, n_features)."""
        return np.asarray(x @ self.coef.T) + self.intercept


def fit_linear(
    x: Matrix,
    target: npt.NDArray[np.generic],
    n_outputs: int,
    *,
    kind: Kind = "classification",
    penalty: float = 1.0,
    balanced: bool = False,
    standardize: bool = False,
    tolerance: float = 1e-4,
) -> Linear:
    """Fit an L2-penalized linear model with scikit-learn.

    Parameters
    ----------
    x
        (n, n_features).
    target
        (n,) classes in [0, n_outputs), not all of which need to occur; (n, n_outputs) labels of 0
        and 1; or (n, n_outputs) numbers.
    n_outputs
        Number of classes, labels or numbers.
    kind
        Kind of ``target``: classes, labels or numbers.
    penalty
        Strength of the penalty: 1 / C of logistic regression, alpha of ridge regression.
    balanced
        Weight classes by their inverse frequency.
    standardize
        Bring dense features to mean 0 and variance 1 first; the result takes them as they were.
    tolerance
        Stopping criterion of logistic regression.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    mean, scale = 0.0, 1.0
    if standardize:
        dense = np.asarray(x, dtype=np.float64)
        mean, scale = dense.mean(0), dense.std(0) + 1e-6
        x = (dense - mean) / scale
    if kind == "regression":
        ridge = Ridge(penalty).fit(x, target)
        coef, intercept = ridge.coef_.reshape(n_outputs, -1), ridge.intercept_.reshape(n_outputs)
    else:
        weight = "balanced" if balanced else None
        model = LogisticRegression(C=1 / penalty, class_weight=weight, max_iter=300, tol=tolerance)
        if kind == "multilabel":
            columns = [_label(model, x, column) for column in target.T]
            coef, intercept = (np.stack(part) for part in zip(*columns, strict=True))
        else:
            coef, intercept = _classes(model, x, target, n_outputs)
    coef = coef / scale
    return Linear(coef, intercept - coef @ np.broadcast_to(mean, coef.shape[1]))


def _classes(
    model: LogisticRegression, x: Matrix, codes: npt.NDArray[np.generic], n: int
) -> tuple[Floats, Floats]:
    fitted = model.fit(x, codes)
    coef, intercept = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # one row for both: split it evenly
        coef = np.vstack([-coef / 2, coef / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    all_coef, all_intercept = np.zeros((n, coef.shape[1])), np.full(n, -np.inf)
    all_coef[fitted.classes_], all_intercept[fitted.classes_] = coef, intercept
    return all_coef, all_intercept


def _label(
    model: LogisticRegression, x: Matrix, holds: npt.NDArray[np.generic]
) -> tuple[Floats, np.float64]:
    rate = (holds.sum() + 0.5) / (len(holds) + 1)
    if np.ptp(holds) == 0:
        return np.zeros(x.shape[1]), np.float64(np.log(rate / (1 - rate)))
    fitted = model.fit(x, holds.astype(np.int64))
    return fitted.coef_[0], fitted.intercept_[0]
