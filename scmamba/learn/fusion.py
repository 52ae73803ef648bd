"""Outputs of the linear and the neural component to one calibrated prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba.learn.calibration import Kind, floor_logits

Floats = npt.NDArray[np.float64]


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
