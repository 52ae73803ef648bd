"""Cells as an annotator reads them, and what it predicts of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._keys import UNKNOWN
from scmamba.pp.expression import Expression
from scmamba.tasks._annotation.hierarchy import Hierarchy
from scmamba.tasks._annotation.reasons import NO_EXPRESSION, OUT_OF_DISTRIBUTION, REASONS

Floats = npt.NDArray[np.float64]
_EMPTY = REASONS.index(NO_EXPRESSION)


@dataclass(frozen=True)
class Prediction:
    """Predictions for n cells.

    Attributes
    ----------
    log_proba
        (n, n_classes) calibrated log-probabilities.
    ood_score
        (n,) out-of-distribution score in [0, 1]; higher is further from the known cell types.
    reason
        (n,) why the annotator abstains, a position in ``REASONS``; -1 where it does not.
    embedding
        (n, D) cell embeddings.
    empty
        (n,) True where no gene is expressed.
    classes
        Names of the classes, in the order of ``log_proba``.
    hierarchy
        Coarse types of the classes; None where there is one level.
    """

    log_proba: Floats
    ood_score: Floats
    reason: npt.NDArray[np.int8]
    embedding: npt.NDArray[np.float32]
    empty: npt.NDArray[np.bool_]
    classes: tuple[str, ...]
    hierarchy: Hierarchy | None = None

    @property
    def coarse(self) -> npt.NDArray[np.int64]:
        """(n,) position among the coarse types of the hierarchy; -1: unknown, or no hierarchy."""
        if self.hierarchy is None:
            return np.full(len(self.reason), -1)
        rejected = np.isin(self.reason, [REASONS.index(OUT_OF_DISTRIBUTION), _EMPTY])
        return self.hierarchy.labels(self.log_proba, ~self.unknown, rejected)

    @property
    def unknown(self) -> npt.NDArray[np.bool_]:
        """(n,) True where the annotator abstains."""
        return self.reason >= 0

    @property
    def best_guess(self) -> list[str]:
        """Most probable class of each cell."""
        return [self.classes[i] for i in self.log_proba.argmax(1)]

    @property
    def confidence(self) -> Floats:
        """(n,) probability of the best guess, in [0, 1]."""
        return np.exp(self.log_proba.max(1))

    @property
    def cell_type(self) -> list[str]:
        """The best guess, or ``unknown``."""
        pairs = zip(self.best_guess, self.unknown, strict=True)
        return [UNKNOWN if unknown else guess for guess, unknown in pairs]


@dataclass(frozen=True)
class Cells:
    """Cells prepared for an annotator.

    Attributes
    ----------
    values
        (n, n_chosen) log-normalized values of the panel.
    expression
        All of their expression, for models with a vocabulary of their own.
    """

    values: sparse.csr_matrix
    expression: Expression

    @property
    def empty(self) -> npt.NDArray[np.bool_]:
        """(n,) True where no gene of the panel is expressed."""
        return np.diff(self.values.indptr) == 0
