"""A linear discriminant of principal components in which batches do not differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.calibration import floor_logits
from scmamba.learn.folds import several_batches
from scmamba.learn.linear import Linear, Matrix
from scmamba.learn.ood import moments

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

DISCRIMINANT_WEIGHT = 0.5
"""Weight of the discriminant's logits next to those of logistic regression, which are half as
large for the same certainty."""
_FLOOR = 0.1
"""Added to standard deviations of log-normalized values, so that rare genes do not dominate."""
_LEAST_VARIANCE = 1e-3
"""Variance within classes, at least, as a fraction of all variance."""
_MOST_CELLS = 20_000
"""Cells that the components are computed from, at most."""
_FEWEST_CELLS = 3
"""Cells of a class in a batch from which its mean is taken."""


@dataclass(frozen=True)
class BatchAwareLinear(Linear):
    """Logistic regression and a discriminant, which alone decides on classes of a single batch.

    What sets such a class apart cannot be told from what sets its batch apart, except by a model
    in which the batches do not differ.

    Attributes
    ----------
    coef, intercept
        Of both models together: (n_classes, n_features) and (n_classes,).
    discriminant_coef, discriminant_intercept
        Of the discriminant alone.
    single_batch
        Classes whose training examples come from one batch.
    """

    discriminant_coef: Floats
    discriminant_intercept: Floats
    single_batch: Rows

    def logits(self, x: Matrix) -> Floats:
        """(n, n_classes) log-probabilities for the features ``x`` (n, n_features)."""
        from scipy.special import log_softmax, logsumexp

        both = floor_logits(super().logits(x))
        discriminant = Linear(self.discriminant_coef, self.discriminant_intercept)
        found = log_softmax(floor_logits(discriminant.logits(x)), axis=1)
        others = np.setdiff1d(np.arange(both.shape[1]), self.single_batch)
        any_other = logsumexp(found[:, others], axis=1, keepdims=True)
        found[:, others] = any_other + log_softmax(both[:, others], axis=1)
        return found


def with_discriminant(
    logistic: Linear,
    x: sparse.csr_matrix,
    codes: Rows,
    batches: npt.NDArray[np.object_] | None,
    seed: int,
) -> Linear:
    """Add a discriminant's logits to those of logistic regression, where there are batches.

    Parameters
    ----------
    logistic
        Logistic regression on the same examples.
    x
        (n, n_genes) log-normalized values.
    codes
        (n,) classes.
    batches
        (n,) batch of each example, or None.
    seed
        Random seed of the principal components.
    """
    if not several_batches(batches):
        return logistic
    n_classes = len(logistic.intercept)
    found = fit_discriminant(x, codes, n_classes, batches, seed=seed)
    coef = logistic.coef + DISCRIMINANT_WEIGHT * found.coef
    intercept = logistic.intercept + DISCRIMINANT_WEIGHT * found.intercept
    single = single_batch_classes(codes, batches)
    if not len(single) or len(single) == len(np.unique(codes)):
        return Linear(coef, intercept)
    return BatchAwareLinear(coef, intercept, found.coef, found.intercept, single)


def single_batch_classes(codes: Rows, batches: npt.NDArray[np.object_] | None) -> Rows:
    """Classes that only one batch holds, where there are at least two batches."""
    if batches is None or not several_batches(batches):
        return np.zeros(0, dtype=np.int64)
    pairs = np.unique(np.stack([codes.astype(str), batches.astype(str)], axis=1), axis=0)
    classes, n_batches = np.unique(pairs[:, 0].astype(np.int64), return_counts=True)
    return classes[n_batches == 1]


def fit_discriminant(
    x: sparse.csr_matrix,
    codes: Rows,
    n_classes: int,
    batches: npt.NDArray[np.object_] | None = None,
    *,
    n_components: int = 20,
    seed: int = 0,
) -> Linear:
    """Fit a linear discriminant to principal components of standardized values.

    Each batch is moved by the mean difference of its cells from their class, averaged over
    batches, so that neither components nor class means follow a batch. Classes count alike, and
    share one covariance (Ledoit and Wolf, 2004).

    Parameters
    ----------
    x
        (n, n_genes) log-normalized values.
    codes
        (n,) class of each cell, in [0, n_classes); not all of them need to occur.
    n_classes
        Number of classes.
    batches
        (n,) batch of each cell, or None.
    n_components
        Principal components; fewer where cells or genes are fewer.
    seed
        Random seed of the components, and of the sample that they are computed from where there
        are more than 20,000 cells.

    Returns
    -------
    Logits that are linear in ``x``; a class without cells has the intercept -inf.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> x = sparse.csr_matrix(np.repeat([[3.0, 0.0, 1.0], [0.0, 3.0, 1.0]], 10, axis=0))
    >>> codes = np.repeat([0, 1], 10)
    >>> fit_discriminant(x, codes, 2).logits(x).argmax(1).tolist() == codes.tolist()
    True
    """
    from sklearn.covariance import ledoit_wolf
    from sklearn.utils.extmath import randomized_svd

    rows = _sample(codes, seed)
    x, codes = x[rows], codes[rows]
    mean, scale = moments(x)
    scale = scale + _FLOOR
    values = ((x.toarray() - mean) / scale).astype(np.float32)
    if batches is not None:
        values = _without_batches(values, codes, batches[rows].astype(str))
    k = max(min(n_components, min(values.shape) - 1), 1)
    components = randomized_svd(values, k, random_state=seed)[2].T.astype(np.float64)
    z = values @ components
    centers = np.zeros((n_classes, k))
    for c in np.unique(codes):
        centers[c] = z[codes == c].mean(0)
    within = ledoit_wolf(z - centers[codes])[0]
    within += np.eye(k) * (_LEAST_VARIANCE * max(z.var(0).mean(), _LEAST_VARIANCE))
    weights = np.linalg.solve(within, centers.T)
    coef = (components @ weights).T / scale
    intercept = -0.5 * (centers * weights.T).sum(1) - coef @ mean
    intercept[np.setdiff1d(np.arange(n_classes), codes)] = -np.inf
    return Linear(coef, intercept)


def _without_batches(
    values: npt.NDArray[np.float32], codes: Rows, batches: npt.NDArray[np.str_]
) -> npt.NDArray[np.float32]:
    """Values with each batch moved to where the average batch has the same classes."""
    names, batch = np.unique(batches, return_inverse=True)
    if len(names) < 2:
        return values
    target = np.zeros((codes.max() + 1, values.shape[1]), dtype=np.float32)
    for c in np.unique(codes):
        of_class = codes == c
        counts = np.bincount(batch[of_class], minlength=len(names))
        large = np.flatnonzero(counts >= _FEWEST_CELLS)
        means = [values[of_class & (batch == b)].mean(0) for b in large]
        target[c] = np.mean(means, axis=0) if means else values[of_class].mean(0)
    moved = values.copy()
    for b in range(len(names)):
        of_batch = batch == b
        moved[of_batch] -= (values[of_batch] - target[codes[of_batch]]).mean(0)
    return moved


def _sample(codes: Rows, seed: int) -> Rows:
    """Positions of at most 20,000 examples, of small classes all of them."""
    if len(codes) <= _MOST_CELLS:
        return np.arange(len(codes))
    order = np.random.default_rng(seed).permutation(len(codes))
    by_class = order[np.argsort(codes[order], kind="stable")]
    counts = np.bincount(codes)
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(by_class[np.argsort(rank, kind="stable")[:_MOST_CELLS]])
