"""How well an annotator does on held-out cells: each component, and each cell type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba.learn.supervised import OutOfFold
from scmamba.learn.thresholds import class_thresholds, common_threshold

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

COMPONENTS = ("linear", "no_mamba", "neural", "both")
"""The linear component, the neural one without and with Mamba layers, and the fused prediction."""


def validation_scores(out: OutOfFold, log_proba: Floats) -> dict[str, float]:
    """Accuracy and macro-F1 on held-out cells of each component alone and of both together.

    Returns
    -------
    ``n_cells``, and ``COMPONENT_accuracy`` and ``COMPONENT_macro_f1``, in [0, 1].
    """
    from sklearn.metrics import accuracy_score, f1_score

    parts = {
        "linear": out.linear,
        "neural": out.neural,
        "both": log_proba,
        "no_mamba": out.no_mamba,
    }
    found: dict[str, float] = {"n_cells": float(len(out.target))}
    classes = np.unique(out.target)
    for name, logits in parts.items():
        if logits is None:
            continue
        guess = logits.argmax(1)
        macro = f1_score(out.target, guess, average="macro", labels=classes, zero_division=0)
        found[f"{name}_accuracy"] = float(accuracy_score(out.target, guess))
        found[f"{name}_macro_f1"] = float(macro)
    return found


def format_scores(scores: dict[str, float], neural_weight: float) -> str:
    """One line for the log."""
    rows = "; ".join(
        f"{name.replace('_', ' ')} "
        f"{scores[f'{name}_accuracy']:.3f}/{scores[f'{name}_macro_f1']:.3f}"
        for name in COMPONENTS
        if f"{name}_accuracy" in scores
    )
    return (
        f"held-out labeled cells ({scores['n_cells']:,.0f}), accuracy/macro-F1: {rows}; "
        f"weight of the neural component {neural_weight:.1f}"
    )


def component_table(scores: Mapping[str, float]) -> pd.DataFrame:
    """Return a table, components by ``accuracy`` and ``macro_f1``; empty without scores."""
    metrics = ["accuracy", "macro_f1"]
    names = [name for name in COMPONENTS if f"{name}_accuracy" in scores]
    rows = [[scores[f"{name}_{metric}"] for metric in metrics] for name in names]
    return pd.DataFrame(rows, index=names, columns=metrics)


def thresholds_of(out: OutOfFold, log_proba: Floats, max_error: float, *, by_class: bool) -> Floats:
    """(n_classes,) confidence from which a prediction counts; inf for classes never predicted.

    Parameters
    ----------
    out
        Predictions for held-out cells.
    log_proba
        (n, n_classes) of both components together for them.
    max_error
        Allowed fraction of wrong labels.
    by_class
        Bound the error of each predicted class; else that of all predictions together.
    """
    n_classes, guess = log_proba.shape[1], log_proba.argmax(1)
    confidence = np.exp(log_proba.max(1))
    if by_class:
        return class_thresholds(confidence, guess, out.target, n_classes, max_error)
    common = common_threshold(confidence, guess == out.target, max_error)
    held_out = np.bincount(out.target, minlength=n_classes) > 0
    return np.where(held_out, common, np.inf)


def class_table(
    classes: Sequence[str],
    codes: Rows,
    batches: npt.NDArray[np.object_] | None,
    out: OutOfFold | None,
    log_proba: Floats | None,
    thresholds: Floats,
) -> pd.DataFrame:
    """Describe how each cell type was validated.

    Parameters
    ----------
    classes
        Names of the types.
    codes, batches
        (n,) type and batch of each labeled cell; batches may be None.
    out, log_proba
        Predictions for held-out cells, and (n_held_out, n_classes) of both components together;
        None where there were too few cells to hold any out.
    thresholds
        (n_classes,) as :func:`thresholds_of` returns them.

    Returns
    -------
    One row per type: ``cells``, ``batches`` (0 where they are not known), ``held_out`` cells,
    their ``recall``, the ``precision`` of predictions of the type (NaN where there are none), the
    ``threshold`` of the confidence (NaN: the type is never predicted), and whether it was
    ``validated``: held-out cells show that labels above the threshold are right often enough.
    """
    n = len(classes)
    table = pd.DataFrame(index=pd.Index(classes, name="cell_type"))
    table["cells"] = np.bincount(codes, minlength=n)
    table["batches"] = 0
    if batches is not None:
        pairs = pd.DataFrame({"code": codes, "batch": batches.astype(str)}).drop_duplicates()
        table["batches"] = np.bincount(pairs["code"], minlength=n)
    held_out = right = guessed = np.zeros(n, dtype=np.int64)
    if out is not None and log_proba is not None:
        guess = log_proba.argmax(1)
        held_out = np.bincount(out.target, minlength=n)
        guessed = np.bincount(guess, minlength=n)
        right = np.bincount(guess[guess == out.target], minlength=n)
    table["held_out"] = held_out
    with np.errstate(divide="ignore", invalid="ignore"):
        table["recall"], table["precision"] = right / held_out, right / guessed
    table["threshold"] = np.where(np.isinf(thresholds), np.nan, thresholds)
    table["validated"] = (held_out > 0) & np.isfinite(thresholds)
    return table


def table_to_json(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Return a table of cell types as JSON holds it; NaN becomes None."""
    return {
        str(name): [None if pd.isna(value) else value for value in column.tolist()]
        for name, column in table.items()
    }


def table_from_json(content: Mapping[str, list[Any]], classes: Sequence[str]) -> pd.DataFrame:
    """Return what :func:`table_to_json` gave; of older folders, the thresholds alone."""
    table = pd.DataFrame(dict(content), index=pd.Index(classes, name="cell_type"))
    floats = {"recall", "precision", "threshold"} & set(table.columns)
    return table.astype(dict.fromkeys(sorted(floats), np.float64))
