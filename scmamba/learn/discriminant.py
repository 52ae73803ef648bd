"""A linear component for new batches: no class hangs on what sets its own batches apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba.learn.axes import Axes
from scmamba.learn.calibration import floor_logits
from scmamba.learn.folds import several_batches
from scmamba.learn.linear import Linear, Matrix, fit_linear

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

DISCRIMINANT_WEIGHT = 0.5
"""Weight of the discriminant's logits next to those of logistic regression."""
_PENALTY, _CELLS_PER_PENALTY = 100.0, 10
"""Penalty of logistic regression, at most, and examples for each unit of it: held-out batches of
blood and bone marrow were likelier with 100 than with 1, 10 or 30."""
_SINGLE_BATCH_BONUS = 2.0
"""Added to the logit of a class of a single batch. What sets its batch apart counts for it there
and is missing in the next: classes that were made such ones were found too rarely without."""
_ROUNDS = 3
_LEAST_VARIANCE = 1e-3
"""Variance within classes, at least, as a fraction of all variance."""
_FEWEST_CELLS = 3
"""Cells of a class in a batch from which its mean is taken."""


@dataclass(frozen=True)
class Unlabeled:
    """Cells without labels, which are to be annotated.

    Attributes
    ----------
    values
        (n, n_genes) log-normalized values.
    batches
        (n,) batch of each.
    """

    values: Matrix
    batches: Texts

    def at_most(self, n: int, seed: int) -> Unlabeled:
        """Return these cells, or ``n`` of them, drawn at random."""
        if self.values.shape[0] <= n:
            return self
        drawn = np.random.default_rng(seed).choice(self.values.shape[0], n, replace=False)
        rows = np.sort(drawn)
        return Unlabeled(self.values[rows], self.batches[rows])


def fit_batch_aware(
    x: Matrix,
    codes: Rows,
    n_classes: int,
    batches: npt.NDArray[np.object_],
    axes: Axes,
    others: Unlabeled,
) -> Linear:
    """Fit class-balanced logistic regression and a discriminant, whose logits are added.

    Parameters
    ----------
    x
        (n, n_genes) log-normalized values.
    codes
        (n,) class of each cell, in [0, n_classes); not all of them need to occur.
    n_classes
        Number of classes.
    batches
        (n,) batch of each cell.
    axes
        Principal components in which the discriminant works.
    others
        Cells without labels, which :func:`fit_discriminant` learns from too.

    Returns
    -------
    Logits that are linear in ``x``; a class without cells has the intercept -inf.
    """
    penalty = max(min(_PENALTY, len(codes) / _CELLS_PER_PENALTY), 1.0)
    logistic = fit_linear(x, codes, n_classes, penalty=penalty, balanced=True, tolerance=1e-3)
    bonus = np.zeros(n_classes)
    bonus[single_batch_classes(codes, batches)] = _SINGLE_BATCH_BONUS
    logistic = Linear(logistic.coef, logistic.intercept + bonus)
    found = fit_discriminant(
        axes.projected(x),
        codes,
        n_classes,
        batches.astype(str),
        others=axes.projected(others.values),
        other_batches=others.batches,
        guess=floor_logits(logistic.logits(others.values)).argmax(1),
    )
    found, weight = axes.lifted(found), DISCRIMINANT_WEIGHT
    intercept = logistic.intercept + weight * found.intercept
    return Linear(logistic.coef + weight * found.coef, intercept)


def single_batch_classes(codes: Rows, batches: npt.NDArray[np.object_] | None) -> Rows:
    """Classes that only one batch holds, where there are at least two batches."""
    if batches is None or not several_batches(batches):
        return np.zeros(0, dtype=np.int64)
    pairs = np.unique(np.stack([codes.astype(str), batches.astype(str)], axis=1), axis=0)
    classes, n_batches = np.unique(pairs[:, 0].astype(np.int64), return_counts=True)
    return classes[n_batches == 1]


def fit_discriminant(
    z: Floats,
    codes: Rows,
    n_classes: int,
    batches: Texts,
    *,
    others: Floats | None = None,
    other_batches: Texts | None = None,
    guess: Rows | None = None,
) -> Linear:
    """Fit a linear discriminant in which batches do not differ.

    Each batch is moved by the mean difference of its cells from their class, averaged over
    batches, so that class means do not follow a batch. Classes count alike, and share one
    covariance (Ledoit and Wolf, 2004). Cells without labels are of the class that was predicted
    for them: first as ``guess`` says, then twice by the discriminant itself.

    Parameters
    ----------
    z
        (n, k) coordinates of cells.
    codes, batches
        (n,) class in [0, n_classes) and batch of each; not every class needs to occur.
    n_classes
        Number of classes.
    others, other_batches, guess
        (m, k) coordinates of cells without labels, their batches, and a class for each; or None.

    Returns
    -------
    Logits that are linear in ``z``; a class without cells has the intercept -inf.

    Examples
    --------
    >>> import numpy as np
    >>> z = np.repeat([[3.0, 0.0], [0.0, 3.0]], 10, axis=0)
    >>> codes, batches = np.repeat([0, 1], 10), np.tile(["a", "b"], 10)
    >>> fit_discriminant(z, codes, 2, batches).logits(z).argmax(1).tolist() == codes.tolist()
    True
    """
    if others is None or other_batches is None or guess is None:
        return _discriminant(z, codes, n_classes, batches)
    both, every = np.concatenate([z, others]), np.concatenate([batches, other_batches])
    for _ in range(_ROUNDS):
        found = _discriminant(both, np.concatenate([codes, guess]), n_classes, every)
        guess = floor_logits(found.logits(others)).argmax(1)
    return found


def _discriminant(z: Floats, codes: Rows, n_classes: int, batches: Texts) -> Linear:
    """Fit a discriminant to cells that all have a class."""
    from sklearn.covariance import ledoit_wolf

    moved, k = _without_batches(z, codes, batches), z.shape[1]
    centers = np.zeros((n_classes, k))
    for c in np.unique(codes):
        centers[c] = moved[codes == c].mean(0)
    within = ledoit_wolf(moved - centers[codes])[0]
    within += np.eye(k) * (_LEAST_VARIANCE * max(z.var(0).mean(), _LEAST_VARIANCE))
    coef = np.linalg.solve(within, centers.T).T
    intercept = -0.5 * (centers * coef).sum(1)
    intercept[np.setdiff1d(np.arange(n_classes), codes)] = -np.inf
    return Linear(coef, intercept)


def _without_batches(z: Floats, codes: Rows, batches: Texts) -> Floats:
    """Coordinates with each batch moved to where the average batch has the same classes."""
    names, batch = np.unique(batches, return_inverse=True)
    if len(names) < 2:
        return z
    target = np.zeros((codes.max() + 1, z.shape[1]))
    for c in np.unique(codes):
        of_class = codes == c
        counts = np.bincount(batch[of_class], minlength=len(names))
        large = np.flatnonzero(counts >= _FEWEST_CELLS)
        means = [z[of_class & (batch == b)].mean(0) for b in large]
        target[c] = np.mean(means, axis=0) if means else z[of_class].mean(0)
    moved = z.copy()
    for b in range(len(names)):
        of_batch = batch == b
        moved[of_batch] -= (z[of_batch] - target[codes[of_batch]]).mean(0)
    return moved
