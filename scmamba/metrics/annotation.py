"""Scores of predicted cell labels."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from scmamba._errors import ScmambaError
from scmamba._text import label_texts
from scmamba.metrics.calibration import expected_calibration_error


@dataclass(frozen=True)
class AnnotationScores:
    """How well predicted labels match the true ones.

    Attributes
    ----------
    n_cells
        Number of cells scored.
    accuracy
        Share of cells whose best guess is right, in [0, 1].
    balanced_accuracy
        Mean recall of the labels present in the truth, in [0, 1].
    macro_f1
        Mean F1 of the labels present in the truth, in [0, 1].
    ece
        Expected calibration error in [0, 1], 0 is best; None without probabilities.
    coverage
        Share of cells that were given a label, in [0, 1]; None where nothing could abstain.
    selective_accuracy
        Accuracy over those cells; NaN where there are none, None as ``coverage``.
    per_class
        One row a label present in the truth: precision, recall, f1, n_cells.
    confusion
        Counts; rows are the labels present in the truth, columns those and all predicted ones.
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
        """Plain numbers and nested dicts that JSON can hold; tables are keyed by label."""
        tables = ("per_class", "confusion")
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in tables}
        return plain | {name: getattr(self, name).to_dict(orient="index") for name in tables}

    def __str__(self) -> str:
        rows = [
            ("cells", f"{self.n_cells:,}"),
            ("accuracy", f"{self.accuracy:.3f}"),
            ("balanced accuracy", f"{self.balanced_accuracy:.3f}"),
            ("macro-F1", f"{self.macro_f1:.3f}"),
        ]
        if self.ece is not None:
            rows.append(("calibration error", f"{self.ece:.3f}"))
        if self.coverage is not None:
            rows.append(("coverage", f"{self.coverage:.3f}"))
            rows.append(("accuracy where labelled", f"{self.selective_accuracy:.3f}"))
        return "\n".join(f"{name:<24}{value:>8}" for name, value in rows)


def annotation(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    proba: ArrayLike | None = None,
    classes: ArrayLike | None = None,
    abstained: ArrayLike | None = None,
) -> AnnotationScores:
    """Score predicted labels against the true ones.

    Parameters
    ----------
    y_true : (n_cells,)
        True labels, none missing.
    y_pred : (n_cells,)
        Best guesses; labels that are not in the truth count as wrong.
    proba : (n_cells, n_classes) or (n_cells,)
        Probabilities of ``classes``, or only those of the best guesses; needed for ``ece``.
    classes : (n_classes,)
        Labels of the columns of a two-dimensional ``proba``.
    abstained : (n_cells,)
        True where the cell was called unknown; needed for coverage.

    Returns
    -------
    The scores, with ``ece``, ``coverage`` and ``selective_accuracy`` None where their input is.

    Raises
    ------
    ScmambaError
        If lengths differ, there is no cell, a label is missing, or a best guess has no column.
    """
    from sklearn.metrics import precision_recall_fscore_support

    truth, guess = _labels("y_true", y_true), _labels("y_pred", y_pred)
    if len(truth) != len(guess):
        raise ScmambaError(f"y_true has {len(truth)} cells and y_pred {len(guess)}; give the same")
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
        labelled = ~_abstentions(abstained, len(truth))
        coverage = float(labelled.mean())
        selective_accuracy = float(correct[labelled].mean()) if labelled.any() else float("nan")
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
            f"{name} misses {missing.sum():,} of {len(missing):,} labels, first at position "
            f"{missing.argmax()}; drop those cells before scoring"
        )
    return texts.astype(str)


def _confidence(
    proba: ArrayLike, classes: ArrayLike | None, guess: NDArray[np.str_]
) -> NDArray[np.float64]:
    """Probability of each cell's best guess, (n_cells,)."""
    proba = np.asarray(proba, dtype=np.float64)
    if len(proba) != len(guess):
        raise ScmambaError(f"proba holds {len(proba)} cells and y_pred {len(guess)}; give the same")
    if proba.ndim == 1:
        return proba
    if classes is None:
        raise ScmambaError(f"proba has shape {proba.shape}, but no classes name its columns")
    names = pd.Index(_labels("classes", classes))
    if len(names) != proba.shape[1]:
        raise ScmambaError(f"proba has {proba.shape[1]} columns and classes {len(names)} names")
    column = names.get_indexer(guess)
    if (column < 0).any():
        strangers = sorted(set(guess[column < 0]))[:5]
        raise ScmambaError(
            f"y_pred holds {', '.join(strangers)}, which classes does not name; "
            "name every label that can be predicted"
        )
    return proba[np.arange(len(guess)), column]


def _abstentions(abstained: ArrayLike, n_cells: int) -> NDArray[np.bool_]:
    abstained = np.asarray(abstained)
    if abstained.shape != (n_cells,) or abstained.dtype != bool:
        raise ScmambaError(
            f"abstained has shape {abstained.shape} and dtype {abstained.dtype}; "
            f"give {n_cells} truth values"
        )
    return abstained
