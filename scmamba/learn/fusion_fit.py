"""Weights and temperatures of a fusion, chosen on held-out examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from scmamba.learn.calibration import Kind, Target, best_temperature, held_back, loss
from scmamba.learn.fusion import Fusion

Floats = npt.NDArray[np.float64]

WEIGHTS = tuple(np.linspace(0, 1, 11).round(1).tolist())
_DOUBT = 5.0
"""Nats by which all held-out labels together must be likelier than under the base rates for both to
have the same weight: settings were chosen on these labels, which makes chance look like skill."""
_CEDED = 0.01
"""Accuracy and macro-F1 together that a weight may cost to make held-out labels likelier: a
component that is often wrong, but never sure, is likelier than one that is surely right."""
TAUS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, -0.1, -0.2)  # the first of equals is taken


def fit_fusion(
    kind: Kind,
    linear: Floats | None,
    neural: Floats | None,
    target: Target,
    base_rates: tuple[float, ...],
    fold: npt.NDArray[np.int64] | None = None,
) -> Fusion:
    """Choose temperatures by likelihood, the logit adjustment by accuracy and F1, weights by both.

    Parameters
    ----------
    kind
        Kind of ``target``: classes, labels or numbers.
    linear, neural
        (n, n_outputs) outputs for held-out examples on which neither component was fitted; None
        for a component that does not exist.
    target
        (n,) classes, or (n, n_outputs) labels or numbers.
    base_rates
        (n_outputs,) frequency of each class or label in training; empty for numbers.
    fold
        (n,) part in which each example was held out; None: one part.

    Returns
    -------
    A fusion whose loss on the held-out examples is at most that of the base rates.
    """
    fusion = Fusion(
        kind,
        neural_weight=1.0 if linear is None else 0.0 if neural is None else 0.5,
        linear_temperature=1.0 if linear is None else best_temperature(kind, linear, target),
        neural_temperature=1.0 if neural is None else best_temperature(kind, neural, target),
        base_rates=base_rates,
    )
    if kind == "classification":
        classes = np.arange(len(base_rates))
        fusion = replace(fusion, unvalidated=tuple(np.setdiff1d(classes, target).tolist()))
    if linear is not None and neural is not None:
        trials = [replace(fusion, neural_weight=weight) for weight in WEIGHTS]
        if kind == "classification":
            scores = [_quality(trial.mixed(linear, neural), target) for trial in trials]
            enough = max(scores) - _CEDED
            trials = [trial for trial, one in zip(trials, scores, strict=True) if one >= enough]
        fusion = min(trials, key=lambda trial: _mixture_loss(trial, linear, neural, target))
    if kind == "classification":
        tau = _logit_adjustment(fusion, linear, neural, target, fold)
        fusion = replace(fusion, logit_adjustment_tau=tau)
        last = best_temperature(kind, fusion.adjusted(linear, neural), target)
        fusion = replace(fusion, temperature=last)
    return _with_base_weight(fusion, linear, neural, target)


def _with_base_weight(
    fusion: Fusion, linear: Floats | None, neural: Floats | None, target: Target
) -> Fusion:
    """Return the weight of base rates that makes held-out labels, or a posterior, likeliest.

    The loss is convex in the weight, and at 1 it is the loss of the base rates. The posterior
    probability that labels do not depend on the predictions at all, given those held out, is the
    lower bound: few examples that were predicted right prove little.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import expit

    if fusion.kind == "regression":
        return fusion
    predicted, rates = fusion.predict(linear, neural), np.array(fusion.base_rates)
    least = min(2 * held_back(len(target)), 1.0)

    def cost(weight: float) -> float:
        return loss(fusion.kind, (1 - weight) * predicted + weight * rates, target)

    found = minimize_scalar(cost, bounds=(least, 1), method="bounded").x
    weight = min((least, max(found, least), 1.0), key=cost)
    gain = target.size * (cost(1.0) - cost(weight))
    return replace(fusion, base_weight=float(max(weight, expit(_DOUBT - gain))))


def _mixture_loss(fusion: Fusion, linear: Floats, neural: Floats, target: Target) -> float:
    if fusion.kind == "classification":
        mixed = np.exp(fusion.mixed(linear, neural))
    else:
        mixed = fusion.predict(linear, neural)
    return loss(fusion.kind, mixed, target, smoothing=held_back(len(target)))


def _logit_adjustment(
    fusion: Fusion,
    linear: Floats | None,
    neural: Floats | None,
    codes: Target,
    fold: npt.NDArray[np.int64] | None,
) -> float:
    """Return the least best adjustment of any part, if all ask for the same direction.

    Class frequencies differ from batch to batch, so what one held-out batch asks for can harm the
    next.
    """
    trials = [replace(fusion, logit_adjustment_tau=tau) for tau in TAUS]
    asked = []
    for part in [np.full(len(codes), True)] if fold is None else [fold == f for f in set(fold)]:
        own = [None if logits is None else logits[part] for logits in (linear, neural)]
        scores = [_quality(trial.adjusted(own[0], own[1]), codes[part]) for trial in trials]
        asked.append(TAUS[int(np.argmax(scores))])
    same = all(tau > 0 for tau in asked) or all(tau < 0 for tau in asked)
    return min(asked, key=abs) if same else 0.0


def _quality(logits: Floats, codes: Target) -> float:
    """Accuracy and macro-F1 of the likeliest classes, added up."""
    from sklearn.metrics import accuracy_score, f1_score

    guess = logits.argmax(1)
    macro = f1_score(codes, guess, average="macro", labels=np.unique(codes), zero_division=0)
    return float(accuracy_score(codes, guess) + macro)
