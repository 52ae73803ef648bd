"""Scores of predictions for sequences: classification, multilabel and regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scmamba._describe import Described, numbers
from scmamba._errors import ScmambaError


@dataclass(frozen=True, repr=False)
class ClassificationScores(Described):
    """Scores of predicted classes; see :func:`classification` and :func:`multilabel`.

    Attributes
    ----------
    n
        Number of sequences (or tokens) scored.
    accuracy
        Fraction of correct predictions, in [0, 1].
    precision
        Mean precision over the true classes, in [0, 1]; 0 for classes that are never predicted.
    macro_f1
        Mean F1 over the true classes, in [0, 1].
    mcc
        Matthews correlation coefficient in [-1, 1], over all classes (Gorodkin, 2004,
        doi:10.1016/j.compbiolchem.2004.09.006); 0 is chance.
    roc_auc
        Area under the ROC curve in [0, 1]; for more than two classes, the mean of one versus rest.
        NaN where fewer than two classes are present, None without probabilities.

    Examples
    --------
    >>> from scmamba.metrics import classification
    >>> classification([0, 1, 1], [0, 1, 0]).to_dict()["n"]
    3
    """

    n: int
    accuracy: float
    precision: float
    macro_f1: float
    mcc: float
    roc_auc: float | None

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        scores = {name: value for name, value in self.to_dict().items() if name != "n"}
        return "ClassificationScores", {"n": f"{self.n:,}"} | numbers(**scores)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return asdict(self)


@dataclass(frozen=True, repr=False)
class RegressionScores(Described):
    """Scores of predicted numbers; see :func:`regression`.

    Attributes
    ----------
    n
        Number of sequences scored.
    pearson
        Pearson correlation in [-1, 1]; NaN where truth or prediction is constant.
    spearman
        Spearman rank correlation in [-1, 1]; NaN where truth or prediction is constant.
    mse
        Mean squared error, at least 0.

    Examples
    --------
    >>> from scmamba.metrics import regression
    >>> regression([1.0, 2.0, 4.0], [1.0, 2.0, 3.0]).spearman
    1.0
    """

    n: int
    pearson: float
    spearman: float
    mse: float

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        scores = {name: value for name, value in self.to_dict().items() if name != "n"}
        return "RegressionScores", {"n": f"{self.n:,}"} | numbers(**scores)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return asdict(self)


def classification(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    proba: ArrayLike | None = None,
    classes: ArrayLike | None = None,
) -> ClassificationScores:
    """Score predicted classes.

    Parameters
    ----------
    y_true, y_pred : (n,)
        True and predicted classes, none missing.
    proba : (n, n_classes)
        Probability of each class; needed for ``roc_auc``.
    classes : (n_classes,)
        Class of each column of ``proba``; columns of classes that are not in the truth are ignored.

    Returns
    -------
    The scores.

    Raises
    ------
    ScmambaError
        If lengths differ, there is nothing to score, or ``classes`` do not match ``proba``.

    Examples
    --------
    >>> from scmamba.metrics import classification
    >>> proba = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]
    >>> scores = classification([0, 1, 1, 0], [0, 1, 0, 0], proba=proba, classes=[0, 1])
    >>> scores.accuracy, scores.roc_auc
    (0.75, 1.0)
    """
    from sklearn.metrics import accuracy_score, f1_score, precision_score

    truth, guess = np.asarray(y_true), np.asarray(y_pred)
    _check_length(truth, guess)
    present = np.unique(truth)
    auc = None
    if proba is not None:
        auc = _roc_auc(truth, present, np.asarray(proba, dtype=np.float64), classes)
    averaged: dict[str, Any] = {"labels": present, "average": "macro", "zero_division": 0}
    return ClassificationScores(
        n=len(truth),
        accuracy=float(accuracy_score(truth, guess)),
        precision=float(precision_score(truth, guess, **averaged)),
        macro_f1=float(f1_score(truth, guess, **averaged)),
        mcc=_mcc(truth, guess),
        roc_auc=auc,
    )


def multilabel(
    y_true: ArrayLike, proba: ArrayLike, *, threshold: float = 0.5
) -> ClassificationScores:
    """Score multilabel predictions: means over labels, each of which may apply or not.

    Parameters
    ----------
    y_true : (n, n_labels)
        True (or 1) where a label applies.
    proba : (n, n_labels)
        Probability that a label applies.
    threshold
        Probability, in [0, 1], from which a label counts as predicted.

    Returns
    -------
    Means over labels; precision and F1 are those of the positive class. ``roc_auc`` excludes labels
    that always or never apply.

    Raises
    ------
    ScmambaError
        If shapes differ, there is nothing to score, or ``y_true`` holds values other than 0 and 1.

    Examples
    --------
    >>> from scmamba.metrics import multilabel
    >>> multilabel([[1, 0], [0, 1]], [[0.9, 0.2], [0.4, 0.3]]).accuracy
    0.75
    """
    from sklearn.metrics import accuracy_score, f1_score, precision_score, roc_auc_score

    truth, p = np.asarray(y_true, dtype=np.float64), np.asarray(proba, dtype=np.float64)
    _check_length(truth, p)
    if truth.ndim != 2 or not np.isin(truth, (0, 1)).all():
        raise ScmambaError(
            f"y_true has shape {truth.shape} and values from {truth.min():g} to {truth.max():g}; "
            "give a table of 0 and 1, one column per label"
        )
    columns = [(t, q >= threshold, q) for t, q in zip(truth.T.astype(bool), p.T, strict=True)]
    aucs = [roc_auc_score(t, q) for t, _, q in columns if t.any() and not t.all()]
    each = [
        (
            accuracy_score(t, guess),
            precision_score(t, guess, zero_division=0),
            f1_score(t, guess, zero_division=0),
            _mcc(t, guess),
        )
        for t, guess, _ in columns
    ]
    accuracy, precision, f1, mcc = map(float, np.mean(each, axis=0))
    auroc = float(np.mean(aucs)) if aucs else float("nan")
    return ClassificationScores(len(truth), accuracy, precision, f1, mcc, auroc)


def regression(y_true: ArrayLike, y_pred: ArrayLike) -> RegressionScores:
    """Score predicted numbers; for several targets, the means over targets.

    Parameters
    ----------
    y_true, y_pred : (n,) or (n, n_targets)
        Measured and predicted numbers, finite.

    Returns
    -------
    The scores.

    Raises
    ------
    ScmambaError
        If shapes differ, there is nothing to score, or a value is not finite.

    Examples
    --------
    >>> from scmamba.metrics import regression
    >>> regression([1.0, 2.0, 3.0], [1.0, 2.0, 4.0]).mse
    0.3333333333333333
    """
    from scipy import stats
    from sklearn.metrics import mean_squared_error

    truth, guess = np.asarray(y_true, dtype=np.float64), np.asarray(y_pred, dtype=np.float64)
    _check_length(truth, guess)
    for name, values in (("y_true", truth), ("y_pred", guess)):
        if not np.isfinite(values).all():
            raise ScmambaError(
                f"{name} holds {int((~np.isfinite(values)).sum())} values that are not finite; "
                "leave those sequences out"
            )
    pairs = list(zip(truth.reshape(len(truth), -1).T, guess.reshape(len(guess), -1).T, strict=True))
    return RegressionScores(
        n=len(truth),
        pearson=float(np.mean([_correlation(stats.pearsonr, t, g) for t, g in pairs])),
        spearman=float(np.mean([_correlation(stats.spearmanr, t, g) for t, g in pairs])),
        mse=float(mean_squared_error(truth, guess)),
    )


def _mcc(truth: NDArray[Any], guess: NDArray[Any]) -> float:
    from sklearn.metrics import matthews_corrcoef

    one_class = len(np.union1d(truth, guess)) < 2  # scikit-learn warns of a single class
    return 0.0 if one_class else float(matthews_corrcoef(truth, guess))


def _correlation(kind: Any, truth: NDArray[np.float64], guess: NDArray[np.float64]) -> float:
    if len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(guess) == 0:
        return float("nan")
    return float(kind(truth, guess).statistic)


def _roc_auc(
    truth: NDArray[Any],
    present: NDArray[Any],
    proba: NDArray[np.float64],
    classes: ArrayLike | None,
) -> float:
    from sklearn.metrics import roc_auc_score

    names = [] if classes is None else list(np.asarray(classes))
    if proba.shape != (len(truth), len(names)):
        raise ScmambaError(
            f"proba has shape {proba.shape}, with {len(truth)} sequences and {len(names)} classes; "
            "give one row per sequence and the class of each column: classes="
        )
    if lacking := [str(name) for name in present if name not in names]:
        raise ScmambaError(
            f"y_true holds {', '.join(lacking[:5])}, which is not in classes; list every class"
        )
    if len(present) < 2:
        return float("nan")
    columns = proba[:, [names.index(name) for name in present]]
    if len(present) == 2:
        score = columns[:, 1] if len(names) == 2 else columns[:, 1] - columns[:, 0]
        return float(roc_auc_score(truth == present[1], score))
    pairs = zip(present, columns.T, strict=True)
    return float(np.mean([roc_auc_score(truth == name, column) for name, column in pairs]))


def _check_length(truth: NDArray[Any], guess: NDArray[Any]) -> None:
    if truth.shape != guess.shape:
        raise ScmambaError(
            f"the truth has shape {truth.shape} and the prediction {guess.shape}; give equal shapes"
        )
    if truth.size == 0:
        raise ScmambaError("there is nothing to score; give at least one sequence")
