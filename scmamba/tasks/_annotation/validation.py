"""How well each component of an annotator does on held-out cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba.learn.supervised import OutOfFold

COMPONENTS = ("linear", "no_mamba", "neural", "both")
"""The linear component, the neural one without and with Mamba layers, and the fused prediction."""


def validation_scores(out: OutOfFold, log_proba: npt.NDArray[np.float64]) -> dict[str, float]:
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
        f"held-out labelled cells ({scores['n_cells']:,.0f}), accuracy/macro-F1: {rows}; "
        f"weight of the neural component {neural_weight:.1f}"
    )


def validation_table(scores: dict[str, float]) -> pd.DataFrame:
    """The scores as a table: components by ``accuracy`` and ``macro_f1``; empty without scores."""
    metrics = ["accuracy", "macro_f1"]
    names = [name for name in COMPONENTS if f"{name}_accuracy" in scores]
    rows = [[scores[f"{name}_{metric}"] for metric in metrics] for name in names]
    return pd.DataFrame(rows, index=names, columns=metrics)
