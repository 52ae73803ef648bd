"""Scores of predicted cell labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from scmamba._describe import Described, numbers
from scmamba._errors import ScmambaError
from scmamba._text import label_texts
from scmamba.metrics.calibration import expected_calibration_error


@dataclass(frozen=True, repr=False)
class AnnotationScores(Described):
    """Scores of predicted cell labels; see :func:`annotation`.

    Attributes
    ----------
    n_cells
        Number of cells scored.
    accuracy
        Fraction of cells whose predicted label is correct, in [0, 1].
    balanced_accuracy
        Mean recall over the true labels, in [0, 1].
    macro_f1
        Mean F1 over the true labels, in [0, 1].
    ece
        Expected calibration error in [0, 1], 0 is best; None without probabilities.
    coverage
        Fraction of cells that were not called unknown, in [0, 1]; None without ``abstained``.
    selective_accuracy
        Accuracy over those cells; NaN where there are none, None without ``abstained``.
    per_class
        Precision, recall, f1 and n_cells, one row per true label.
    confusion
        Confusion matrix: counts with true labels as rows, true and predicted labels as columns.

    Examples
    --------
    >>> from scmamba.metrics import annotation
    >>> scores = annotation(["T", "T", "B", "B"], ["T", "T", "B", "T"])
    >>> scores.confusion.to_numpy().tolist()
    [[1, 1], [0, 2]]
    """

    n_cells: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    ece: float | None
    coverage: float | None
    selective_accuracy: float | None
    per_class: pd.DataFrame = field(repr=False, compare=False)
    confusion: pd.DataFrame = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and nested dicts for JSON; tables are keyed by label."""
        tables = ("per_class", "confusion")
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in tables}
        return plain | {name: getattr(self, name).to_dict(orient="index") for name in tables}

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        rows = {"cells": f"{self.n_cells:,}"} | numbers(
            accuracy=self.accuracy, balanced_accuracy=self.balanced_accuracy
        )
        rows["macro-F1"] = f"{self.macro_f1:.3f}"
        if self.ece is not None:
            rows["calibration error"] = f"{self.ece:.3f}"
        if self.coverage is not None:
            rows["coverage"] = f"{self.coverage:.3f}"
            rows["accuracy where labeled"] = f"{self.selective_accuracy:.3f}"
        return "AnnotationScores", rows

    def __str__(self) -> str:
        """Return the scores as a table, one per line."""
        return "\n".join(f"{name:<24}{value:>8}" for name, value in self._summary()[1].items())


def annotation(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    proba: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    abstained: ArrayLike | None = None,
) -> AnnotationScores:
    """Score predicted cell labels against the true ones.

    Parameters
    ----------
    y_true : (n_cells,)
        True labels, none missing.
    y_pred : (n_cells,)
        Predicted labels; labels that are not in the truth count as wrong.
    proba : (n_cells, n_classes) or (n_cells,)
        Probabilities of ``classes``, or of the predicted labels only; needed for ``ece``.
    classes : (n_classes,)
        Labels of the columns of a two-dimensional ``proba``.
    abstained : (n_cells,)
        True for cells called unknown; needed for ``coverage`` and ``selective_accuracy``.

    Returns
    -------
    The scores; those whose input is missing are None.

    Raises
    ------
    ScmambaError
        If lengths differ, there are no cells, a label is missing, or a predicted label has no
        column in ``proba``.

    Examples
    --------
    >>> from scmamba.metrics import annotation
    >>> scores = annotation(["T", "T", "B", "B"], ["T", "T", "B", "T"], proba=[0.9, 0.8, 0.7, 0.6])
    >>> print(scores)
    cells                          4
    accuracy                   0.750
    balanced accuracy          0.750
    macro-F1                   0.733
    calibration error          0.300
    """
    from sklearn.metrics import precision_recall_fscore_support

    truth, guess = _labels("y_true", y_true), _labels("y_pred", y_pred)
    if len(truth) != len(guess):
        raise ScmambaError(
            f"y_true has {len(truth)} cells and y_pred {len(guess)}; give equal lengths"
        )
    if len(truth) == 0:
        raise ScmambaError("y_true and y_pred hold no cells; give at least one")
    correct = truth == guess
    present = np.unique(truth)
    columns = np.concatenate([present, np.setdiff1d(guess, present)])
    scores = precision_recall_fscore_support(truth, guess, labels=present, zero_division=0)
    per_class = pd.DataFrame(
        dict(zip(("precision", "recall", "f1", "n_cells"), scores, strict=True)), index=present
    )
    counts = pd.crosstab(truth, guess).reindex(index=present, columns=columns, fill_value=0)
    ece = None
    if proba is not None:
        ece = expected_calibration_error(_confidence(proba, classes, guess), correct)
    coverage = selective_accuracy = None
    if abstained is not None:
        labeled = ~_abstentions(abstained, len(truth))
        coverage = float(labeled.mean())
        selective_accuracy = float(correct[labeled].mean()) if labeled.any() else float("nan")
    return AnnotationScores(
        n_cells=len(truth),
        accuracy=float(correct.mean()),
        balanced_accuracy=float(per_class["recall"].mean()),
        macro_f1=float(per_class["f1"].mean()),
        ece=ece,
        coverage=coverage,
        selective_accuracy=selective_accuracy,
        per_class=per_class,
        confusion=counts.rename_axis(index=None, columns=None),
    )


def _labels(name: str, labels: ArrayLike) -> NDArray[np.str_]:
    texts, missing = label_texts(labels, name=name)
    if missing.any():
        raise ScmambaError(
            f"{name} lacks {missing.sum():,} of {len(missing):,} labels, first at position "
            f"{missing.argmax()}; drop those cells before scoring"
        )
    return texts.astype(str)


def _confidence(
    proba: ArrayLike, classes: ArrayLike | None, guess: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Probability of each cell's predicted label, (n_cells,)."""
    proba = np.asarray(proba, dtype=np.float64)
    if len(proba) != len(guess):
        raise ScmambaError(
            f"proba has {len(proba)} cells and y_pred {len(guess)}; give equal lengths"
        )
    if proba.ndim == 1:
        return proba
    if classes is None:
        raise ScmambaError(
            f"proba has shape {proba.shape}, but classes is missing; give the label of each column"
        )
    names = pd.Index(_labels("classes", classes))
    if len(names) != proba.shape[1]:
        raise ScmambaError(f"proba has {proba.shape[1]} columns and classes {len(names)} names")
    column = names.get_indexer(guess)
    if (column < 0).any():
        unnamed = sorted(set(guess[column < 0]))[:5]
        raise ScmambaError(
            f"y_pred holds {', '.join(unnamed)}, which is not in classes; "
            "list every label that can be predicted"
        )
    return proba[np.arange(len(guess)), column]


def _abstentions(abstained: ArrayLike, n_cells: int) -> NDArray[np.bool_]:
    abstained = np.asarray(abstained)
    if abstained.shape != (n_cells,) or abstained.dtype != bool:
        raise ScmambaError(
            f"abstained has shape {abstained.shape} and dtype {abstained.dtype}; "
            f"give {n_cells} booleans"
        )
    return abstained
