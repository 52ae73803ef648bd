"""Outputs of the linear and the neural component to one calibrated prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba.learn.calibration import (
    Kind,
    Target,
    best_temperature,
    floor_logits,
    held_back,
    loss,
)

Floats = npt.NDArray[np.float64]

WEIGHTS = tuple(np.linspace(0, 1, 11).round(1).tolist())
_DOUBT = 5.0
"""Nats by which all held-out labels together must be likelier than under the base rates for both to
have the same weight: settings were chosen on these labels, which makes chance look like skill."""
_CEDED = 0.01
"""Accuracy and macro-F1 together that a weight may cost to make held-out labels likelier: a
component that is often wrong, but never sure, is likelier than one that is surely right."""
TAUS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, -0.1, -0.2)  # the first of equals is taken


_OLD_NAMES = {
    "deep_share": "neural_weight",
    "wide_temperature": "linear_temperature",
    "deep_temperature": "neural_temperature",
    "prior_power": "logit_adjustment_tau",
}
"""Names in folders of format version 1."""


@dataclass(frozen=True)
class Fusion:
    """How the outputs of two components become probabilities, or numbers.

    Each component's logits are divided by its own temperature and the two probabilities are
    averaged with ``neural_weight``. Rare classes are raised by ``logit_adjustment_tau`` (Menon et
    al., ICLR 2021), the result is divided by a last temperature (Guo et al., ICML 2017), and a
    part ``base_weight`` of each probability is the base rate. Numbers are only averaged.

    Attributes
    ----------
    kind
        ``"classification"``, ``"multilabel"`` or ``"regression"``.
    neural_weight
        Weight of the neural component in [0, 1]; 0 leaves the linear one alone.
    linear_temperature, neural_temperature, temperature
        Above 0.
    logit_adjustment_tau
        Power of ``1 / base_rates`` that probabilities of classes are multiplied by.
    base_rates
        Frequency of each class or label in training.
    base_weight
        Weight of the base rates in [0, 1]. At least 2 / (n + 2) for n held-out examples: however
        well these were told apart, no prediction is more certain than their number allows.
    unvalidated
        Classes without held-out examples (of one batch alone, say). The linear component decides
        whether a cell belongs to one of them; no choice could be made for the neural one.

    Examples
    --------
    >>> import numpy as np
    >>> fusion = Fusion(neural_weight=0.5)
    >>> fusion.predict(np.array([[2.0, 0.0]]), np.array([[0.0, 0.0]])).round(2)
    array([[0.69, 0.31]])
    """

    kind: Kind = "classification"
    neural_weight: float = 0.5
    linear_temperature: float = 1.0
    neural_temperature: float = 1.0
    logit_adjustment_tau: float = 0.0
    temperature: float = 1.0
    base_weight: float = 0.0
    base_rates: tuple[float, ...] = ()
    unvalidated: tuple[int, ...] = ()

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Fusion:
        """Read what :func:`dataclasses.asdict` gave, from JSON, which has lists for tuples."""
        lists = {name: tuple(content[name]) for name in ("base_rates", "unvalidated")}
        return cls(**{**content, **lists})

    @staticmethod
    def upgraded(content: Mapping[str, Any], base_rates: Iterable[float]) -> dict[str, Any]:
        """Return the entries of a folder of format version 1 under their present names."""
        renamed = {_OLD_NAMES.get(name, name): value for name, value in content.items()}
        kinds = {"token": "classification", "multilabel": "multilabel", "regression": "regression"}
        kind = kinds.get(renamed.pop("task", ""), "classification")
        rates = [float(rate) for rate in base_rates]
        return {"unvalidated": (), **renamed, "kind": kind, "base_rates": rates}

    def predict(self, linear: Floats | None, neural: Floats | None) -> Floats:
        """(n, n_outputs) probabilities or numbers; a component that is None is left out.

        Parameters
        ----------
        linear, neural
            (n, n_outputs) logits or numbers of each component.
        """
        if self.kind == "classification":
            return np.exp(self.log_proba(linear, neural))
        mean = self._average(linear, neural)
        if self.kind == "regression" or not self.base_weight:
            return mean
        return (1 - self.base_weight) * mean + self.base_weight * np.array(self.base_rates)

    def log_proba(self, linear: Floats | None, neural: Floats | None) -> Floats:
        """(n, n_classes) log-probabilities of classes."""
        from scipy.special import log_softmax

        log_p = log_softmax(self.adjusted(linear, neural) / self.temperature, axis=1)
        if not self.base_weight:
            return log_p
        with np.errstate(divide="ignore"):
            base = np.log(self.base_weight) + np.log(self.base_rates)
            return np.logaddexp(np.log1p(-self.base_weight) + log_p, base)

    def adjusted(self, linear: Floats | None, neural: Floats | None) -> Floats:
        """(n, n_classes) logits before the last temperature."""
        from scipy.special import log_softmax, logsumexp

        adjusted = self.mixed(linear, neural)
        if self.logit_adjustment_tau:
            adjusted = adjusted - self.logit_adjustment_tau * np.log(self.base_rates)
        if linear is None or not self.unvalidated:
            return adjusted
        known = np.setdiff1d(np.arange(linear.shape[1]), self.unvalidated)
        alone = log_softmax(linear / self.linear_temperature, axis=1)
        among_known = log_softmax(adjusted[:, known], axis=1)
        alone[:, known] = logsumexp(alone[:, known], axis=1, keepdims=True) + among_known
        return floor_logits(alone)

    def mixed(self, linear: Floats | None, neural: Floats | None) -> Floats:
        """(n, n_classes) log of the components' average, before the logit adjustment."""
        from scipy.special import log_softmax, logsumexp

        parts = self._parts(linear, neural)
        logs = np.stack([log_softmax(logits, axis=1) for logits, _ in parts])
        weights = np.array([weight for _, weight in parts])[:, None, None]
        with np.errstate(divide="ignore"):
            return floor_logits(logsumexp(logs, axis=0, b=weights))

    def _average(self, linear: Floats | None, neural: Floats | None) -> Floats:
        """(n, n_outputs) weighted mean of numbers, or of the probabilities of labels."""
        from scipy.special import expit

        parts = self._parts(linear, neural)
        if self.kind == "multilabel":
            parts = [(expit(logits), weight) for logits, weight in parts]
        return np.sum([weight * values for values, weight in parts], axis=0)

    def _parts(self, linear: Floats | None, neural: Floats | None) -> list[tuple[Floats, float]]:
        """Return the present components at their temperatures, with weights that sum to 1."""
        t = (self.linear_temperature, self.neural_temperature)
        if linear is None or neural is None:
            only = neural if linear is None else linear
            assert only is not None
            return [(only / (t[1] if linear is None else t[0]), 1.0)]
        weight = self.neural_weight
        return [(linear / t[0], 1 - weight), (neural / t[1], weight)]


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
        What ``target`` holds.
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
