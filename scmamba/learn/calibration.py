"""Probabilities as certain as held-out examples allow, and no more."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Target = npt.NDArray[np.generic]
Kind = Literal["classification", "multilabel", "regression"]
"""Targets: one class of several, any number of labels, or numbers."""

LEAST = 1e-9
"""Smallest probability whose logarithm is taken."""
_LOWEST = -50.0


def held_back(n: int) -> float:
    """Fraction 1 / (n + 2) of each label that calibration gives to the other classes (Platt, 1999).

    ``n`` held-out examples that are all predicted correctly do not prove that no error will occur.
    """
    return 1 / (n + 2)


def floor_logits(logits: Floats) -> Floats:
    """(n, n_classes) logits that are finite: at most 50 below the highest of the row.

    A class that a component never saw has -inf: it becomes very unlikely, not impossible.
    """
    top = logits.max(1, keepdims=True)
    return np.maximum(logits - top, _LOWEST) + top


def loss(kind: Kind, predicted: Floats, target: Target, *, smoothing: float = 0.0) -> float:
    """Mean negative log-likelihood in nats, or mean squared error of numbers.

    Parameters
    ----------
    kind
        Kind of ``target``: classes, labels or numbers.
    predicted
        (n, n_outputs) probabilities or numbers.
    target
        (n,) classes, or (n, n_outputs) labels or numbers.
    smoothing
        Fraction of each label that is spread over the other classes.
    """
    if kind == "regression":
        return float(((predicted - target.astype(np.float64)) ** 2).mean())
    p = np.clip(predicted, LEAST, 1 - LEAST)
    if kind == "multilabel":
        truth = target.astype(np.float64) * (1 - 2 * smoothing) + smoothing
        return -float((truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())
    return log_loss(np.log(p), target.astype(np.int64), smoothing=smoothing)


def log_loss(logits: Floats, codes: npt.NDArray[np.int64], *, smoothing: float = 0.0) -> float:
    """Mean negative log-likelihood, in nats, of the classes ``codes`` (n,) under logits."""
    from scipy.special import log_softmax

    log_p = log_softmax(floor_logits(logits), axis=1)
    own = log_p[np.arange(len(codes)), codes]
    others = (log_p.sum(1) - own) / max(log_p.shape[1] - 1, 1)
    return -float(((1 - smoothing) * own + smoothing * others).mean())


def best_temperature(kind: Kind, logits: Floats, target: Target) -> float:
    """Temperature in [0.05, 20] that makes held-out labels most likely (Guo et al., ICML 2017).

    Labels are smoothed by :func:`held_back`. Numbers have no temperature: 1 is returned.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import expit

    if kind == "regression" or not len(target):
        return 1.0
    smoothing = held_back(len(target))

    def cost(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        if kind == "multilabel":
            return loss(kind, expit(scaled), target, smoothing=smoothing)
        return log_loss(scaled, target.astype(np.int64), smoothing=smoothing)

    found = minimize_scalar(cost, bounds=(np.log(0.05), np.log(20)), method="bounded")
    return float(np.exp(found.x))


def base_rates(kind: Kind, target: Target, n_outputs: int) -> tuple[float, ...]:
    """Frequency of each class or label among training examples, above 0; empty for numbers.

    A class or label that never occurs counts as occurring once.
    """
    if kind == "regression":
        return ()
    if kind == "multilabel":
        rates = (target.astype(np.float64).sum(0) + 0.5) / (len(target) + 1)
        return tuple(rates.tolist())
    counts = np.maximum(np.bincount(target.astype(np.int64), minlength=n_outputs), 1)
    return tuple((counts / counts.sum()).tolist())
