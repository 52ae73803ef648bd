"""The linear view: logistic regression or ridge on k-mers and positions, kept as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from scmamba.learn.linear import Linear
from scmamba.tasks.sequence._nucleotides import reverse_complement
from scmamba.tasks.sequence._supervised.features import Features

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Wide:
    """A linear view of sequences.

    Attributes
    ----------
    features
        What it looks at.
    both_strands
        Whether it learned from both strands, and averages what it says of them.
    linear
        The weights.
    """

    features: Features
    both_strands: bool
    linear: Linear

    def logits(self, texts: Sequence[str]) -> Floats:
        """(n, n_outputs) logits, or numbers of variance 1, of sequences in upper case."""
        given = self.linear.logits(self.features(texts))
        if not self.both_strands:
            return given
        other = self.linear.logits(self.features([reverse_complement(text) for text in texts]))
        return (given + other) / 2


def fit_wide(
    texts: Sequence[str],
    target: npt.NDArray[np.generic],
    n_outputs: int,
    features: Features,
    *,
    both_strands: bool,
    strength: float,
) -> Wide:
    """Fit a linear view.

    Parameters
    ----------
    texts
        (n,) sequences in upper case.
    target
        (n,) int64 classes, (n, n_labels) of 0 and 1, or (n, n_numbers).
    n_outputs
        Classes, labels or numbers.
    features
        What to look at.
    both_strands
        Learn from the reverse complements too.
    strength
        Of the L2 penalty: the inverse of scikit-learn's C, its alpha.
    """
    x = features(texts)
    if both_strands:
        x = sparse.vstack([x, features([reverse_complement(text) for text in texts])]).tocsr()
        target = np.concatenate([target, target])
        strength = 2 * strength  # every sequence is there twice
    return Wide(features, both_strands, fit_linear_view(x, target, n_outputs, strength))


def fit_linear_view(
    x: sparse.csr_matrix | npt.NDArray[np.float64],
    target: npt.NDArray[np.generic],
    n_outputs: int,
    strength: float,
) -> Linear:
    """Logistic regression of classes (n,) or labels of 0 and 1, ridge regression of numbers."""
    if target.ndim == 1:
        return _classes(x, target, n_outputs, strength)
    if np.isin(target, (0, 1)).all():
        columns = [_label(x, column, strength) for column in target.T]
        return Linear(*(np.stack(part) for part in zip(*columns, strict=True)))
    ridge = Ridge(strength).fit(x, target)
    return Linear(ridge.coef_.reshape(n_outputs, -1), ridge.intercept_.reshape(n_outputs))


def _classes(x: sparse.csr_matrix, codes: npt.NDArray[np.generic], n: int, s: float) -> Linear:
    fitted = _logistic(s).fit(x, codes)
    coef, intercept = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # one row stands for both: split it evenly
        coef = np.vstack([-coef / 2, coef / 2])
        intercept = np.concatenate([-intercept / 2, intercept / 2])
    all_coef, all_intercept = np.zeros((n, x.shape[1])), np.full(n, -50.0)
    all_coef[fitted.classes_], all_intercept[fitted.classes_] = coef, intercept
    return Linear(all_coef, all_intercept)


def _label(
    x: sparse.csr_matrix, holds: npt.NDArray[np.generic], s: float
) -> tuple[Floats, np.float64]:
    share = (holds.sum() + 0.5) / (len(holds) + 1)
    if np.ptp(holds) == 0:
        return np.zeros(x.shape[1]), np.float64(np.log(share / (1 - share)))
    fitted = _logistic(s).fit(x, holds.astype(np.int64))
    return fitted.coef_[0], fitted.intercept_[0]


def _logistic(strength: float) -> LogisticRegression:
    return LogisticRegression(C=1 / strength, max_iter=300, tol=1e-3)
