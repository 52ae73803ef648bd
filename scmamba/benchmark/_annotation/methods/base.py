"""What a way to annotate cells offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scmamba.benchmark._annotation.split import AnnotationSplit
from scmamba.benchmark._cost import measure_cost

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """Predictions of a method for the n cells of a query.

    Attributes
    ----------
    guess
        (n,) labels, or out-of-distribution scores.
    confidence
        (n,) probability of each guess, where the method has one.
    unknown
        (n,) True where it abstains, where it can.
    seconds
        Seconds to fit and predict; None where the method is part of another.
    cpu_seconds
        Seconds of all processors for it, worker processes included; None likewise.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.benchmark import Predictions
    >>> found = Predictions(np.array(["B", "T"]), confidence=np.array([0.9, 0.6]))
    >>> found.take(np.array([1])).confidence.tolist()
    [0.6]
    """

    guess: Array
    confidence: Array | None = None
    unknown: Array | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None

    def take(self, cells: Array) -> Predictions:
        """Return the predictions of some cells."""
        parts = (self.guess, self.confidence, self.unknown)
        guess, confidence, unknown = (None if x is None else x[cells] for x in parts)
        assert guess is not None
        return Predictions(guess, confidence, unknown, self.seconds, self.cpu_seconds)


@dataclass(frozen=True)
class AnnotationMethod:
    """A way to annotate cells.

    Attributes
    ----------
    run
        Takes a split and a seed, returns predictions for the query.
    title
        Its name in tables.
    package
        Package that must be installed for it.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.benchmark import AnnotationMethod, Predictions
    >>> def most_frequent(split, seed):
    ...     labels, counts = np.unique(split.known_labels, return_counts=True)
    ...     return Predictions(np.repeat(labels[counts.argmax()], split.query.n_obs))
    >>> AnnotationMethod(most_frequent, "most frequent type").title
    'most frequent type'
    """

    run: Callable[[AnnotationSplit, int], Predictions]
    title: str
    package: str = "sklearn"


@dataclass(frozen=True)
class Classifier:
    """A classifier of scikit-learn, fitted to log-normalized values.

    Attributes
    ----------
    make
        Makes a classifier with a seed.
    """

    make: Callable[[int], ClassifierMixin]

    def __call__(self, split: AnnotationSplit, seed: int) -> Predictions:
        """Fit the labeled cells, predict the query."""
        train, query, _ = split.values()
        with measure_cost() as cost:
            model: Any = self.make(seed).fit(train, split.known_labels)
            probable = hasattr(model, "predict_proba")
            found = model.predict_proba(query) if probable else model.predict(query)
        if not probable:
            return Predictions(found, **vars(cost))
        guess = np.asarray(model.classes_)[found.argmax(1)]
        return Predictions(guess, found.max(1), **vars(cost))
