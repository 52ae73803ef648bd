"""Wide and deep logits to one calibrated probability, by choices made on held-out cells."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import accuracy_score, f1_score

Floats = npt.NDArray[np.float64]

SHARES = tuple(np.linspace(0, 1, 11).round(1).tolist())
PRIORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, -0.1, -0.2)  # the first of equals is taken


@dataclass(frozen=True)
class Fusion:
    """How logits of two views become probabilities.

    Each view is brought to its own temperature, the two probabilities are averaged with
    ``deep_share``, rare classes are lifted by ``prior_power`` (logit adjustment; Menon et al.,
    ICLR 2021), and the result is brought to a last temperature (Guo et al., ICML 2017).

    Attributes
    ----------
    deep_share
        Weight of the deep view in [0, 1]; 0 leaves the linear one alone.
    wide_temperature, deep_temperature, temperature
        Above 0.
    unvalidated
        Classes of which no held-out cell was seen (they are in one batch alone, say). The linear
        view decides whether a cell is of one of them; no choice could be made for the deep one.
    prior_power
        Power of ``1 / frequency`` that probabilities are multiplied with.
    """

    deep_share: float = 0.5
    wide_temperature: float = 1.0
    deep_temperature: float = 1.0
    prior_power: float = 0.0
    temperature: float = 1.0
    unvalidated: tuple[int, ...] = ()

    def log_proba(self, wide: Floats | None, deep: Floats | None, log_prior: Floats) -> Floats:
        """(n, n_classes) log-probabilities; a view that is None takes no part."""
        return log_softmax(self.adjusted(wide, deep, log_prior) / self.temperature, axis=1)

    def adjusted(self, wide: Floats | None, deep: Floats | None, log_prior: Floats) -> Floats:
        """(n, n_classes) logits before the last temperature."""
        adjusted = self.mixed(wide, deep) - self.prior_power * log_prior
        if wide is None or not self.unvalidated:
            return adjusted
        known = np.setdiff1d(np.arange(wide.shape[1]), self.unvalidated)
        linear = log_softmax(wide / self.wide_temperature, axis=1)
        among_known = log_softmax(adjusted[:, known], axis=1)
        linear[:, known] = logsumexp(linear[:, known], axis=1, keepdims=True) + among_known
        return _floor(linear)

    def mixed(self, wide: Floats | None, deep: Floats | None) -> Floats:
        """(n, n_classes) log of the two views' average, before the prior's turn."""
        if wide is None or deep is None:
            only, t = (
                (deep, self.deep_temperature) if wide is None else (wide, self.wide_temperature)
            )
            assert only is not None
            return _floor(log_softmax(only / t, axis=1))
        views = np.stack(
            [
                log_softmax(wide / self.wide_temperature, axis=1),
                log_softmax(deep / self.deep_temperature, axis=1),
            ]
        )
        with np.errstate(divide="ignore"):
            weights = np.array([1 - self.deep_share, self.deep_share])[:, None, None]
            return _floor(logsumexp(views, axis=0, b=weights))


def fit_fusion(
    wide: Floats | None, deep: Floats | None, codes: npt.NDArray[np.int64], log_prior: Floats
) -> Fusion:
    """Choose temperatures and share by likelihood, the prior by accuracy + macro-F1.

    Parameters
    ----------
    wide, deep
        (n, n_classes) logits of held-out cells, on which neither view was fitted; None: no view.
    codes
        (n,) their classes.
    log_prior
        (n_classes,) log frequency of classes in training, up to a constant.
    """
    base = Fusion(
        deep_share=1.0 if wide is None else 0.0 if deep is None else 0.5,
        wide_temperature=1.0 if wide is None else best_temperature(wide, codes),
        deep_temperature=1.0 if deep is None else best_temperature(deep, codes),
        unvalidated=tuple(np.setdiff1d(np.arange(len(log_prior)), codes).tolist()),
    )
    if wide is not None and deep is not None:
        views = [replace(base, deep_share=share) for share in SHARES]
        base = min(views, key=lambda view: log_loss(view.mixed(wide, deep), codes))

    def quality(trial: Fusion) -> float:
        guess = trial.log_proba(wide, deep, log_prior).argmax(1)
        labels = np.unique(codes)
        macro = f1_score(codes, guess, average="macro", labels=labels, zero_division=0)
        return float(accuracy_score(codes, guess) + macro)

    best = max((replace(base, prior_power=power) for power in PRIORS), key=quality)
    adjusted = best.adjusted(wide, deep, log_prior)
    return replace(best, temperature=best_temperature(adjusted, codes))


def best_temperature(
    logits: Floats, codes: npt.NDArray[np.int64], *, smoothing: float = 0.0
) -> float:
    """Temperature in [0.05, 20] that makes held-out labels, smoothed or not, most likely."""
    found = minimize_scalar(
        lambda log_t: log_loss(_floor(logits) / np.exp(log_t), codes, smoothing=smoothing),
        bounds=(np.log(0.05), np.log(20)),
        method="bounded",
    )
    return float(np.exp(found.x))


def log_loss(logits: Floats, codes: npt.NDArray[np.int64], *, smoothing: float = 0.0) -> float:
    """Mean negative log-likelihood, in nats, of the classes ``codes``.

    ``smoothing`` is the share of each label that is spread over the other classes.
    """
    log_p = log_softmax(_floor(logits), axis=1)
    own = log_p[np.arange(len(codes)), codes]
    others = (log_p.sum(1) - own) / max(log_p.shape[1] - 1, 1)
    return -float(((1 - smoothing) * own + smoothing * others).mean())


def confidence_threshold(
    confidence: Floats, correct: npt.NDArray[np.bool_], max_error: float
) -> float:
    """Lowest confidence above which at most ``max_error`` of the held-out cells are wrong.

    Returns a number in [0, 1], or just above 1 where even the surest cells are wrong too often.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_ = confidence[order]
    errors = np.cumsum(~correct[order]) / np.arange(1, len(order) + 1)
    last = np.append(sorted_[1:] != sorted_[:-1], True)  # equally sure cells go together
    good = np.flatnonzero((errors <= max_error) & last)
    return float(sorted_[good[-1]] if len(good) else np.nextafter(1.0, 2.0))


def _floor(log_p: Floats, lowest: float = -50.0) -> Floats:
    """Finite logits: a class that a view never saw is very unlikely, not impossible."""
    top = log_p.max(1, keepdims=True)
    return np.maximum(log_p - top, lowest) + top
