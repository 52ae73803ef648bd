"""Weights of measured contexts for a new one, by how alike their control cells are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scmamba.learn.effects.table import EffectTable, Floats

TEMPERATURES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 1.0, float("inf"))
"""Divisors of correlations to choose from; infinity weighs all contexts alike."""
_DEFAULT = 0.03
_TOP = 100
"""Genes that change most."""
BASELINE = (0.02, False)
"""Temperature of weights by likeness alone, without precision."""


@dataclass(frozen=True)
class ContextWeights:
    """Softmax of the correlation between control profiles, and precision of each effect.

    Attributes
    ----------
    profiles
        (n_contexts, n_genes) control profiles of measured contexts, centered, of length 1.
    temperature
        Divisor of the correlations.
    by_precision
        Whether genes with a smaller standard error in a context weigh more there.
    """

    profiles: Floats
    temperature: float
    by_precision: bool

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
    """

    weights: ContextWeights
    columns: tuple[int, ...]
    effects: Floats
    precision: Floats | None

    @staticmethod
    def of(
        weights: ContextWeights, columns: Sequence[int], effects: Floats, errors: Floats | None
    ) -> WeightedContexts:
        """Prepare what does not depend on the control profile; ``errors`` are standard errors."""
        precision = None
        if errors is not None and weights.by_precision:
            precision = precision_of(errors, effects)
            effects = effects * precision
        return WeightedContexts(weights, tuple(columns), effects, precision)

    def at(self, controls: Floats) -> Floats:
        """(n_genes,) effect in cells with a control profile (n_genes,)."""
        allowed = np.zeros((1, len(self.weights.profiles)), bool)
        allowed[:, self.columns] = True
        weights = self.weights.weights(controls[None], allowed)[0, list(self.columns)]
        return averaged(weights, self.effects, self.precision)


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


def fit_context_weights(table: EffectTable) -> ContextWeights | None:
    """Choose temperature and precision by leaving out one measured context at a time.

    The start is the plain baseline, weights by likeness alone. Another choice must beat it by more
    than the standard error of the difference over left-out effects; a few noisy contexts cannot
    tell more. With fewer than three contexts nothing is chosen. None is returned without control
    profiles.
    """
    if table.controls is None or not len(table.context_names):
        return None
    profiles = standardized(table.controls)
    rows_of: dict[object, list[int]] = {}
    for i, key in enumerate(zip(table.perturbations, table.doses.tolist(), strict=True)):
        rows_of.setdefault(str(key), []).append(i)
    place = {name: i for i, name in enumerate(table.context_names)}
    groups = [np.array(rows) for rows in rows_of.values() if len(rows) > 2]
    if not groups:
        return ContextWeights(profiles, _DEFAULT, table.errors is not None)
    trust = _reliability(table, np.concatenate(groups))
    errors = {
        choice: np.concatenate(
            [_left_out_errors(table, rows, profiles, place, *choice) for rows in groups]
        )
        for temperature in TEMPERATURES
        for by_precision in ((False, True) if table.errors is not None else (False,))
        for choice in [(temperature, by_precision)]
    }
    plain = errors[BASELINE]
    best = min(errors, key=lambda choice: float(trust @ errors[choice]))
    gain = trust * (plain - errors[best]) / trust.mean()
    if gain.mean() <= gain.std(ddof=1) / np.sqrt(len(gain)):
        best = BASELINE
    return ContextWeights(profiles, *best)


def _reliability(table: EffectTable, rows: Floats) -> Floats:
    """(n,) weight of each left-out effect, smaller where it was measured in few cells."""
    if table.errors is None:
        return np.ones(len(rows))
    variance = np.square(table.errors[rows], dtype=np.float64).mean(1)
    return np.asarray(1 / (variance + variance.mean() + 1e-12))


def _left_out_errors(
    table: EffectTable,
    rows: Floats,
    profiles: Floats,
    place: dict[str, int],
    temperature: float,
    by_precision: bool,
) -> Floats:
    """(n_rows,) error of one perturbation in each context, predicted from the others.

    That is the squared error as a share of the squared effect, over all genes and over those that
    change most, added up: over all genes alone, noise of the many that hardly change would decide.
    """
    mine = profiles[[place[table.contexts[i]] for i in rows]]
    weights = softmax_weights(mine @ mine.T, ~np.eye(len(rows), dtype=bool), temperature)
    effects, precision = table.effects[rows], None
    if table.errors is not None and by_precision:
        precision = precision_of(table.errors[rows], effects)
        effects = effects * precision
    guess = averaged(weights, effects, precision)
    wanted = np.square(table.effects[rows], dtype=np.float64)
    missed = np.square(guess - table.effects[rows], dtype=np.float64)
    top = np.argsort(-wanted, axis=1)[:, :_TOP]
    parts = [(missed, wanted), tuple(np.take_along_axis(x, top, 1) for x in (missed, wanted))]
    return np.sum([a.sum(1) / np.maximum(b.sum(1), 1e-12) for a, b in parts], axis=0)
