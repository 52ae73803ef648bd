"""The linear and the deep view to one prediction, by choices made on held-out sequences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from scmamba.learn.calibration import best_temperature

Floats = npt.NDArray[np.float64]
SHARES = tuple(np.linspace(0, 1, 11).round(1).tolist())
_LEAST = 1e-9  # a probability of 0 would cost infinitely much


@dataclass(frozen=True)
class Blend:
    """How the outputs of two views become probabilities or numbers.

    Attributes
    ----------
    task
        ``"classification"``, ``"multilabel"``, ``"regression"`` or ``"token"``.
    deep_share
        Weight of the deep view in [0, 1]; 0 leaves the linear one alone.
    wide_temperature, deep_temperature
        What class logits are divided by (Guo et al., ICML 2017); 1 for other tasks.
    temperature
        The same for the logarithm of the mean of both: an average of sure views is less sure.
    """

    task: str
    deep_share: float = 1.0
    wide_temperature: float = 1.0
    deep_temperature: float = 1.0
    temperature: float = 1.0

    def __call__(self, wide: Floats | None, deep: Floats | None) -> Floats:
        """Probabilities, or numbers of variance 1 (n, n_outputs); a view may be left out.

        Parameters
        ----------
        wide, deep
            (n, n_outputs) logits or numbers.
        """
        if wide is None or deep is None:
            assert wide is not None or deep is not None
            if deep is None:
                return self._said(wide, self.wide_temperature)
            return self._said(deep, self.deep_temperature)
        views = self._said(wide, self.wide_temperature), self._said(deep, self.deep_temperature)
        mixed = (1 - self.deep_share) * views[0] + self.deep_share * views[1]
        if self.temperature == 1:
            return mixed
        return softmax(np.log(np.maximum(mixed, _LEAST)) / self.temperature, axis=-1)

    def _said(self, logits: Floats | None, temperature: float) -> Floats:
        assert logits is not None
        if self.task == "regression":
            return logits
        if self.task == "multilabel":
            return expit(logits)
        return softmax(logits / temperature, axis=-1)


def fit_blend(
    task: str, wide: Floats | None, deep: Floats, target: npt.NDArray[np.generic]
) -> Blend:
    """Choose temperatures and share by likelihood (numbers: squared error).

    For the last temperature 1 in n + 2 of each label is held back (Platt, 1999): n held-out
    sequences that are all told apart do not say that one never errs.

    Parameters
    ----------
    task
        Of the predictor.
    wide, deep
        (n, n_outputs) outputs for held-out sequences; ``wide`` may be missing.
    target
        Classes (n,), labels or numbers (n, n_outputs).
    """
    temperatures = {}
    if task in ("classification", "token"):
        codes = target.astype(np.int64)
        temperatures["deep_temperature"] = best_temperature("classification", deep, codes)
        if wide is not None:
            temperatures["wide_temperature"] = best_temperature("classification", wide, codes)
    if wide is None:
        return Blend(task, 1.0, **temperatures)
    trials = [Blend(task, share, **temperatures) for share in SHARES]
    best = min(trials, key=lambda trial: loss(task, trial(wide, deep), target))
    if task != "classification":
        return best
    mixed = np.log(np.maximum(best(wide, deep), _LEAST))
    codes = target.astype(np.int64)
    return replace(best, temperature=best_temperature("classification", mixed, codes))


def loss(task: str, said: Floats, target: npt.NDArray[np.generic]) -> float:
    """Mean negative log-likelihood in nats, or mean squared error, of what was said."""
    truth = target.astype(np.float64)
    if task == "regression":
        return float(((said - truth) ** 2).mean())
    p = np.clip(said, _LEAST, 1 - _LEAST)
    if task == "multilabel":
        return -float((truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())
    return -float(np.log(p[np.arange(len(p)), target.astype(np.int64)]).mean())
