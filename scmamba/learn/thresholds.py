"""Confidence above which predictions of each class are wrong no more often than allowed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

LEVEL = 0.8
"""Confidence level of the upper bound on an error rate."""


def error_bound(n_wrong: npt.ArrayLike, n: npt.ArrayLike, level: float = LEVEL) -> Floats:
    """One-sided upper confidence bound on an error rate (Clopper and Pearson, 1934), in [0, 1].

    Parameters
    ----------
    n_wrong, n
        Wrong predictions, and predictions, at least 1.
    level
        Confidence level, in (0, 1).

    Examples
    --------
    >>> error_bound(0, 31).round(3), error_bound([0, 10], [100, 100]).round(3)
    (np.float64(0.051), array([0.016, 0.134]))
    """
    from scipy.stats import beta

    wrong, total = np.asarray(n_wrong, dtype=float), np.asarray(n, dtype=float)
    all_wrong = wrong >= total
    bound = beta.ppf(level, wrong + 1, np.where(all_wrong, 1.0, total - wrong))
    return np.where(all_wrong, 1.0, bound)


def fewest_predictions(max_error: float, level: float = LEVEL) -> float:
    """Count predictions that, all right, show an error rate of at most ``max_error``.

    Examples
    --------
    >>> fewest_predictions(0.05), fewest_predictions(0.0)
    (32.0, inf)
    """
    if max_error <= 0:
        return np.inf
    return float(np.ceil(np.log(1 - level) / np.log1p(-max_error)))


def confidence_threshold(
    confidence: Floats,
    correct: npt.NDArray[np.bool_],
    max_error: float,
    level: float | None = LEVEL,
) -> float:
    """Lowest confidence above which at most ``max_error`` of the held-out predictions are wrong.

    Parameters
    ----------
    confidence
        (n,) confidence of held-out predictions, in [0, 1].
    correct
        (n,) whether they are right.
    max_error
        Allowed error rate, in [0, 1).
    level
        Confidence level of an upper bound on the error rate that has to be low enough; None: the
        observed error rate has to be.

    Returns
    -------
    A number in [0, 1], or inf where even the most confident predictions are wrong too often.

    Examples
    --------
    >>> import numpy as np
    >>> confidence, correct = np.array([0.9, 0.8, 0.7]), np.array([True, True, False])
    >>> confidence_threshold(confidence, correct, 0.1, level=None)
    0.8
    >>> confidence_threshold(confidence, correct, 0.1)  # three cells show little
    inf
    """
    order = np.argsort(-confidence, kind="stable")
    ranked, n = confidence[order], np.arange(1, len(order) + 1)
    n_wrong = np.cumsum(~correct[order])
    error = n_wrong / n if level is None else error_bound(n_wrong, n, level)
    last = np.append(ranked[1:] != ranked[:-1], True)  # equal confidences go together
    good = np.flatnonzero((error <= max_error) & last[: len(n)])
    return float(ranked[good[-1]]) if len(good) else np.inf


def common_threshold(confidence: Floats, correct: npt.NDArray[np.bool_], max_error: float) -> float:
    """:func:`confidence_threshold` of all classes, by the observed error rate of few predictions.

    Examples
    --------
    >>> import numpy as np
    >>> common_threshold(np.array([0.9, 0.8, 0.7]), np.array([True, True, False]), 0.1)
    0.8
    """
    enough = len(correct) >= fewest_predictions(max_error)
    return confidence_threshold(confidence, correct, max_error, LEVEL if enough else None)


def class_thresholds(
    confidence: Floats, guess: Rows, target: Rows, n_classes: int, max_error: float
) -> Floats:
    """(n_classes,) threshold for the confidence of predictions of each class.

    The error rate of each predicted class is bounded on its own, so that it holds for a data set
    with other class frequencies. Classes with too few held-out predictions for a bound share the
    threshold of all such classes, or, where these are too few together, of all classes.

    Parameters
    ----------
    confidence, guess, target
        (n,) confidence, predicted and true class of held-out examples.
    n_classes
        Number of classes.
    max_error
        Allowed error rate among predictions above the threshold.

    Returns
    -------
    inf for a class of which no example was held out, or of which even the most confident
    predictions are wrong too often: it is never predicted.

    Examples
    --------
    >>> import numpy as np
    >>> guess = np.repeat([0, 1], 50)
    >>> target = np.where(np.arange(100) < 60, 0, 1)  # predictions of class 1 are often wrong
    >>> confidence = np.tile(np.linspace(0.5, 1, 50), 2)
    >>> class_thresholds(confidence, guess, target, 3, 0.05).round(2)
    array([0.5, 0.6, inf])
    """
    correct = guess == target
    found = np.full(n_classes, np.inf)
    counts = np.bincount(guess, minlength=n_classes)
    held_out = np.bincount(target, minlength=n_classes) > 0
    enough = counts >= fewest_predictions(max_error)
    for c in np.flatnonzero(held_out & enough):
        found[c] = confidence_threshold(confidence[guess == c], correct[guess == c], max_error)
    small = np.isin(guess, np.flatnonzero(held_out & ~enough))
    if small.sum() >= fewest_predictions(max_error):
        shared = confidence_threshold(confidence[small], correct[small], max_error)
    else:
        shared = common_threshold(confidence, correct, max_error)
    found[held_out & ~enough] = shared
    return found
