"""What a predictor says, scored as its task asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba.metrics import (
    ClassificationScores,
    RegressionScores,
    classification,
    multilabel,
    regression,
)
from scmamba.tasks.sequence._supervised.targets import Targets
from scmamba.tokens.sequence_masking import IGNORED


def score(
    targets: Targets, encoded: npt.NDArray[Any], said: Sequence[npt.NDArray[np.float64]]
) -> ClassificationScores | RegressionScores:
    """Score predictions; numbers in their own units.

    Parameters
    ----------
    targets
        What is predicted.
    encoded
        The truth, as :meth:`Targets.encode` gives it.
    said
        For each sequence probabilities or numbers (n_outputs,), of tokens (length, n_outputs).
    """
    if targets.task == "regression":
        return regression(targets.decode(encoded), targets.decode(np.stack(said)))
    if targets.task == "multilabel":
        return multilabel(encoded, np.stack(said))
    if targets.task == "token":
        encoded, proba = np.concatenate(list(encoded)), np.concatenate(list(said))
        encoded, proba = encoded[encoded != IGNORED], proba[encoded != IGNORED]
    else:
        proba = np.stack(said)
    return classification(encoded, proba.argmax(1), proba=proba, classes=range(len(targets)))
