"""Predictions of sequences, scored as their task asks."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba.learn.fusion import Fusion
from scmamba.learn.supervised import OutOfFold
from scmamba.metrics import (
    ClassificationScores,
    RegressionScores,
    classification,
    multilabel,
    regression,
)
from scmamba.tasks.sequence._supervised.targets import Targets
from scmamba.tokens.nucleotides.masking import IGNORED

Floats = npt.NDArray[np.float64]


def score(
    targets: Targets, target: npt.NDArray[Any], predicted: npt.NDArray[np.float64]
) -> ClassificationScores | RegressionScores:
    """Score predictions; numbers in their own units.

    Parameters
    ----------
    targets
        What is predicted.
    target
        (n,) classes, of sequences or of nucleotides (-100: not known), or (n, n_outputs).
    predicted
        (n, n_outputs) probabilities, or numbers of variance 1.
    """
    if targets.task == "regression":
        return regression(targets.decode(target), targets.decode(predicted))
    if targets.task == "multilabel":
        return multilabel(target, predicted)
    known = target != IGNORED
    target, predicted = target[known], predicted[known]
    guess = predicted.argmax(1)
    return classification(target, guess, proba=predicted, classes=range(len(targets)))


def validation_scores(targets: Targets, fusion: Fusion, out: OutOfFold) -> dict[str, float]:
    """Scores on held-out sequences of each component alone, and of both together."""
    pairs: dict[str, tuple[Floats | None, Floats | None]] = {
        "neural": (None, out.neural),
        "both": (out.linear, out.neural),
    }
    if out.linear is not None:
        pairs["linear"] = (out.linear, None)
    return {
        f"{name}_{metric}": value
        for name, pair in pairs.items()
        for metric, value in score(targets, out.target, fusion.predict(*pair)).to_dict().items()
        if metric != "n"
    }


def format_scores(targets: Targets, validation: dict[str, float], fusion: Fusion) -> str:
    """One line for the log."""
    metric = "spearman" if targets.task == "regression" else "mcc"
    parts = [
        f"{name} {validation[f'{name}_{metric}']:.3f}"
        for name in ("linear", "neural", "both")
        if f"{name}_{metric}" in validation
    ]
    return (
        f"held-out sequences, {metric}: {', '.join(parts)}; weight of the neural component "
        f"{fusion.neural_weight:.1f}"
    )
