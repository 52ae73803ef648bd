"""Why cells are ``unknown``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

LOW_CONFIDENCE = "low confidence"
OUT_OF_DISTRIBUTION = "out of distribution"
NOT_VALIDATED = "type not validated"
NO_EXPRESSION = "no gene expressed"
REASONS = (LOW_CONFIDENCE, OUT_OF_DISTRIBUTION, NOT_VALIDATED, NO_EXPRESSION)

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def reasons(
    log_proba: Floats, thresholds: Floats, is_ood: Flags, is_empty: Flags
) -> npt.NDArray[np.int8]:
    """(n,) position in :data:`REASONS` of what makes a cell ``unknown``; -1 for labeled cells.

    Of several reasons the one that is harder to mend is given.

    Parameters
    ----------
    log_proba
        (n, n_classes) log-probabilities.
    thresholds
        (n_classes,) confidence from which a prediction of each class counts; inf: never.
    is_ood, is_empty
        (n,) cells that are out of distribution, and cells without an expressed gene.

    Examples
    --------
    >>> log_proba = np.log([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]])
    >>> nowhere = np.zeros(3, dtype=bool)
    >>> found = reasons(log_proba, np.array([0.7, np.inf]), nowhere, nowhere)
    >>> reason_column(found).tolist()
    [nan, 'low confidence', 'type not validated']
    """
    threshold = thresholds[log_proba.argmax(1)]
    found = np.full(len(log_proba), -1, dtype=np.int8)
    found[np.exp(log_proba.max(1)) < threshold] = REASONS.index(LOW_CONFIDENCE)
    found[np.isinf(threshold)] = REASONS.index(NOT_VALIDATED)
    found[is_ood] = REASONS.index(OUT_OF_DISTRIBUTION)
    found[is_empty] = REASONS.index(NO_EXPRESSION)
    return found


def reason_column(found: npt.NDArray[np.int8]) -> pd.Categorical:
    """Return the reasons as a column of text, missing for labeled cells."""
    return pd.Categorical.from_codes(found, categories=list(REASONS))
