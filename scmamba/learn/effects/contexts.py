"""Weights of measured contexts for a new one, by how alike their control cells are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scmamba.learn.effects.table import Floats


@dataclass(frozen=True)
class ContextWeights:
    """Softmax of the correlation between control profiles, and precision of each effect.

    Attributes
    ----------
    controls
        (n_contexts, n_genes) control profiles of measured contexts.
    temperature
        Divisor of the correlations.
    by_precision
        Whether genes with a smaller standard error in a context weigh more there.
    convergence
        Share of the difference between control profiles that a perturbation takes away, in [0, 1]:
        0 carries changes over to a new context, 1 the expression after the perturbation.
    """

    controls: Floats
    temperature: float
    by_precision: bool
    convergence: float = 0.0

    @cached_property
    def profiles(self) -> Floats:
        """(n_contexts, n_genes) control profiles, centered, of length 1."""
        return standardized(self.controls)

    def similarity(self, controls: Floats) -> Floats:
        """(n, n_contexts) correlation of profiles (n, n_genes) with those of the contexts."""
        return standardized(controls) @ self.profiles.T

    def weights(self, controls: Floats, allowed: Floats) -> Floats:
        """(n, n_contexts) weights that sum to 1, 0 where not ``allowed`` (n, n_contexts)."""
        return softmax_weights(self.similarity(controls), allowed, self.temperature)


def softmax_weights(similarity: Floats, allowed: Floats, temperature: float) -> Floats:
    """Softmax over the allowed entries of each row; all alike at infinite temperature."""
    score = similarity / temperature if np.isfinite(temperature) else np.zeros_like(similarity)
    score = np.where(allowed, score, -np.inf)
    raised = np.exp(score - score.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def standardized(profiles: Floats) -> Floats:
    """Rows centered and scaled to length 1, so that products are correlations."""
    centered = profiles - profiles.mean(1, keepdims=True, dtype=np.float64)
    length = np.linalg.norm(centered, axis=1, keepdims=True)
    return centered / np.where(length > 0, length, 1)


@dataclass(frozen=True)
class WeightedContexts:
    """Effects of one perturbation in several contexts, to be averaged for any control profile.

    Attributes
    ----------
    weights
        Weights of contexts.
    columns
        (n_contexts,) places of the contexts among those of ``weights``.
    effects
        (n_contexts, n_genes) effects, times their precision.
    precision
        (n_contexts, n_genes) weights of each gene, or None where all are 1.
    own
        (n_genes,) measured control profile of the context that is asked for, or None. Only with it
        do contexts converge: cells of another study differ from all profiles by more than their
        type.
    """

    weights: ContextWeights
    columns: tuple[int, ...]
    effects: Floats
    precision: Floats | None
    own: Floats | None = None

    @staticmethod
    def of(
        weights: ContextWeights,
        columns: Sequence[int],
        effects: Floats,
        errors: Floats | None,
        own: Floats | None = None,
    ) -> WeightedContexts:
        """Prepare what does not depend on the control profile; ``errors`` are standard errors."""
        precision = None
        if errors is not None and weights.by_precision:
            precision = precision_of(errors, effects)
            effects = effects * precision
        return WeightedContexts(weights, tuple(columns), effects, precision, own)

    def at(self, controls: Floats) -> Floats:
        """(n_genes,) effect in cells with a control profile (n_genes,)."""
        columns = list(self.columns)
        allowed = np.zeros((1, len(self.weights.controls)), bool)
        allowed[:, columns] = True
        weights = self.weights.weights(controls[None], allowed)[0, columns]
        found = averaged(weights, self.effects, self.precision)
        if self.own is None or self.weights.convergence == 0:
            return found
        elsewhere = weights @ self.weights.controls[columns]
        return found + self.weights.convergence * (elsewhere - self.own)


def precision_of(errors: Floats, effects: Floats) -> Floats:
    """Inverse variance of each effect (n_contexts, n_genes) as a guess of a new context's.

    That is its sampling variance plus the variance between contexts, a method-of-moments estimate
    for each gene (DerSimonian and Laird, Controlled Clinical Trials 1986): where contexts differ by
    more than noise, all of them count alike. Half the mean sampling variance is added so that no
    context is taken alone.
    """
    variance = np.square(errors, dtype=np.float64)
    between = np.zeros(variance.shape[1])
    if len(effects) > 1:
        spread = effects.var(0, ddof=1, dtype=np.float64)
        between = np.maximum(spread - variance.mean(0), 0)
    return np.asarray(1 / (variance + between + 0.5 * variance.mean() + 1e-12))


def averaged(weights: Floats, effects: Floats, precision: Floats | None) -> Floats:
    """Weighted mean of effects that were multiplied by their ``precision``, or of plain ones."""
    total = weights @ effects
    return total if precision is None else total / np.maximum(weights @ precision, 1e-12)
