"""What a way to annotate cells offers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from scmamba.benchmark._annotation.split import AnnotationSplit

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
    """

    guess: Array
    confidence: Array | None = None
    unknown: Array | None = None
    seconds: float | None = None

    def take(self, cells: Array) -> Predictions:
        """Return the predictions of some cells."""
        parts = (self.guess, self.confidence, self.unknown)
        guess, confidence, unknown = (None if x is None else x[cells] for x in parts)
        assert guess is not None
        return Predictions(guess, confidence, unknown, self.seconds)


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
        """Fit the labelled cells, predict the query."""
        train, query, _ = split.values()
        start = time.perf_counter()
        model: Any = self.make(seed).fit(train, split.known_labels)
        if not hasattr(model, "predict_proba"):
            guess = model.predict(query)
            return Predictions(guess, seconds=time.perf_counter() - start)
        proba = model.predict_proba(query)
        seconds = time.perf_counter() - start
        guess = np.asarray(model.classes_)[proba.argmax(1)]
        return Predictions(guess, proba.max(1), seconds=seconds)
