"""Calibration of confidences: of cells with confidence 0.8, 80 % should be correct."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from scmamba._errors import ScmambaError


def expected_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, n_bins: int = 15
) -> float:
    """Compute the expected calibration error: mean gap between confidence and accuracy.

    Parameters
    ----------
    confidence : (n_cells,)
        Probability of each cell's predicted label, in [0, 1].
    correct : (n_cells,)
        True where the predicted label is correct.
    n_bins
        Number of equally wide bins in [0, 1], closed on the left; the last one includes 1.

    Returns
    -------
    Sum over bins of (fraction of cells) * abs(accuracy - mean confidence), in [0, 1]; 0 is best.

    Raises
    ------
    ScmambaError
        If the lengths differ, there are no cells, or a confidence is outside [0, 1].

    Notes
    -----
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017; computed by torchmetrics.

    Examples
    --------
    >>> from scmamba.metrics import expected_calibration_error
    >>> round(expected_calibration_error([0.9, 0.9, 0.6, 0.6], [True, True, True, False]), 3)
    0.1
    """
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    confidence, correct = _checked(confidence, correct, n_bins)
    return float(
        binary_calibration_error(
            torch.from_numpy(_below_one(confidence)), torch.from_numpy(correct), n_bins=n_bins
        )
    )


def calibration_table(confidence: ArrayLike, correct: ArrayLike, n_bins: int = 15) -> pd.DataFrame:
    """Table of a reliability diagram: the bins of :func:`expected_calibration_error`.

    Parameters
    ----------
    confidence, correct, n_bins
        Confidence, correctness and number of bins; see :func:`expected_calibration_error`.

    Returns
    -------
    One row per bin: edges ``left`` and ``right``, ``n_cells``, mean ``confidence`` and
    ``accuracy``; the last two are NaN in empty bins.

    Examples
    --------
    >>> from scmamba.metrics import calibration_table
    >>> table = calibration_table([0.9, 0.9, 0.2, 0.6], [True, True, False, True], n_bins=2)
    >>> table["n_cells"].tolist(), table["accuracy"].tolist()
    ([1, 3], [0.0, 1.0])
    """
    confidence, correct = _checked(confidence, correct, n_bins)
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.searchsorted(edges, _below_one(confidence), side="right") - 1
    count = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(bins, weights=confidence, minlength=n_bins) / count
        accuracy = np.bincount(bins, weights=correct, minlength=n_bins) / count
    return pd.DataFrame(
        {
            "left": edges[:-1],
            "right": edges[1:],
            "n_cells": count,
            "confidence": mean_confidence,
            "accuracy": accuracy,
        }
    )


def _below_one(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move confidences of exactly 1 into the last bin."""
    return np.minimum(confidence, np.nextafter(1.0, 0.0))


def _checked(
    confidence: ArrayLike, correct: ArrayLike, n_bins: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    try:
        confidence = np.asarray(confidence, dtype=np.float64)
        given = np.asarray(correct, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ScmambaError(
            f"confidence and correct must be plain numbers ({error}); give probabilities in "
            "[0, 1] and True or False for each cell"
        ) from error
    if not np.isin(given, (0, 1)).all():
        raise ScmambaError(
            "correct holds other values than True and False; the order is (confidence, correct): "
            "the probability of each prediction, then whether it is correct"
        )
    correct = given.astype(np.int64)
    if confidence.ndim != 1 or confidence.shape != correct.shape:
        raise ScmambaError(
            f"confidence has shape {confidence.shape} and correct {correct.shape}; "
            "give one number and one boolean for each cell"
        )
    if len(confidence) == 0:
        raise ScmambaError("confidence holds no cells; give at least one")
    if not np.all((confidence >= 0) & (confidence <= 1)):
        raise ScmambaError(
            f"confidence spans [{confidence.min():.3g}, {confidence.max():.3g}]; allowed: [0, 1], "
            "no NaN. Give probabilities, not logits"
        )
    if n_bins < 1:
        raise ScmambaError(f"n_bins={n_bins}; allowed: 1 or more")
    return confidence, correct
