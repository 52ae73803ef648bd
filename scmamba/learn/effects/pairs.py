"""Effects of perturbations in a context, from their effects in other contexts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scmamba.learn.effects.components import scale_components
from scmamba.learn.effects.contexts import standardized
from scmamba.learn.effects.kriging import (
    Kriging,
    choose_kriging,
    finish_kriging,
    relative_variance,
)
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats

Treatment = tuple[Perturbation, str]
"""A perturbation and its dose, as text."""
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Shares of the residual in other contexts to choose from."""


@dataclass(frozen=True)
class PairModel:
    """Kriging within one context on how alike perturbations act in the others.

    A prediction is the share of the perturbation's mean residual in other contexts that left-out
    rows favor, plus kriging of what is left.

    Attributes
    ----------
    context
        Where effects are predicted.
    treatments
        (n,) treatments measured in the context and elsewhere, on which kriging is fitted.
    share
        Share of the residual.
    kriging
        Of effects without that share.
    elsewhere
        Mean residual and profiles of each treatment in the other contexts.
    """

    context: str
    treatments: tuple[Treatment, ...]
    share: float
    kriging: Kriging
    elsewhere: Elsewhere

    def predict(self, treatments: Sequence[Treatment]) -> Floats:
        """(n, n_genes) effects of treatments that were measured elsewhere."""
        kernel = self.elsewhere.similarity(treatments, self.treatments)
        power = 2 if self.kriging.kernel == "squared" else 1
        return self.share * self.elsewhere.residuals(treatments) + self.kriging.predict(
            kernel**power
        )


@dataclass(frozen=True)
class Elsewhere:
    """What is known of treatments from contexts other than one.

    Attributes
    ----------
    centered
        For each other context, effects without the context's mean, by treatment.
    """

    centered: tuple[dict[Treatment, Floats], ...]

    @staticmethod
    def of(table: EffectTable, context: str) -> Elsewhere:
        """Collect the effects of all contexts but one."""
        found = []
        for name in dict.fromkeys(table.contexts):
            if name == context:
                continue
            rows = [i for i, one in enumerate(table.contexts) if one == name]
            values = table.effects[rows] - table.effects[rows].mean(0)
            found.append({treatment(table, i): values[k] for k, i in enumerate(rows)})
        return Elsewhere(tuple(found))

    def knows(self, one: Treatment) -> bool:
        """Whether a treatment was measured in another context."""
        return any(one in values for values in self.centered)

    def residuals(self, treatments: Sequence[Treatment]) -> Floats:
        """(n, n_genes) mean residual over the contexts that measured each treatment."""
        return np.stack(
            [
                np.mean([values[one] for values in self.centered if one in values], axis=0)
                for one in treatments
            ]
        )

    def similarity(self, treatments: Sequence[Treatment], others: Sequence[Treatment]) -> Floats:
        """(n, n_others) positive part of the mean correlation over contexts that have both."""
        total = np.zeros((len(treatments), len(others)))
        n = np.zeros_like(total)
        for values in self.centered:
            rows = [i for i, one in enumerate(treatments) if one in values]
            columns = [i for i, one in enumerate(others) if one in values]
            if not rows or not columns:
                continue
            left = standardized(np.stack([values[treatments[i]] for i in rows]))
            right = standardized(np.stack([values[others[i]] for i in columns]))
            total[np.ix_(rows, columns)] += left @ right.T
            n[np.ix_(rows, columns)] += 1
        return np.maximum(total / np.maximum(n, 1), 0)


def fit_pair_model(table: EffectTable, context: str) -> PairModel | None:
    """Fit the model of one context; None with fewer than five treatments to learn from."""
    elsewhere = Elsewhere.of(table, context)
    rows = [
        i
        for i, name in enumerate(table.contexts)
        if name == context and elsewhere.knows(treatment(table, i))
    ]
    if len(rows) < 5:
        return None
    treatments = tuple(treatment(table, i) for i in rows)
    kernel = elsewhere.similarity(treatments, treatments)
    residuals = elsewhere.residuals(treatments)
    variance = relative_variance(None if table.errors is None else table.errors[rows], len(rows))
    kernels = {"plain": kernel, "squared": kernel**2}
    effects = table.effects[rows].astype(np.float64)
    own, cross, rest = (
        left @ right.T / effects.shape[1]
        for left, right in ((effects, effects), (effects, residuals), (residuals, residuals))
    )
    choices = {
        share: choose_kriging(kernels, own - share * (cross + cross.T) + share**2 * rest, variance)
        for share in SHARES
    }
    share = min(choices, key=lambda one: choices[one].error)
    targets = effects - share * residuals
    kriging = finish_kriging(choices[share], kernels, targets, variance)
    return PairModel(context, treatments, share, scale_components(kriging, targets), elsewhere)


def treatment(table: EffectTable, row: int) -> Treatment:
    """Perturbation and dose of a row."""
    return table.perturbations[row], str(float(table.doses[row]))
