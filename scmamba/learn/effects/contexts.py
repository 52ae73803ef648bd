"""Weights of measured contexts for a new one, by how alike their control cells are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scmamba.learn.effects.table import EffectTable, Floats

TEMPERATURES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 1.0, float("inf"))
"""Divisors of correlations to choose from; infinity weighs all contexts alike."""
_DEFAULT = 0.03


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


def combined(weights: Floats, effects: Floats, errors: Floats | None, by_precision: bool) -> Floats:
    """Weighted mean (n, n_genes) of effects (n_contexts, n_genes).

    With ``by_precision``, weights of a gene are multiplied by its inverse sampling variance; half
    the mean variance is added to each so that no context is taken alone.
    """
    if errors is None or not by_precision:
        return weights @ effects
    variance = np.square(errors, dtype=np.float64)
    precision = 1 / (variance + 0.5 * variance.mean() + 1e-12)
    return (weights @ (effects * precision)) / np.maximum(weights @ precision, 1e-12)


def fit_context_weights(table: EffectTable) -> ContextWeights | None:
    """Choose temperature and precision by leaving out one measured context at a time.

    With fewer than three contexts nothing is chosen. None is returned without control profiles.
    """
    if table.controls is None or not len(table.context_names):
        return None
    profiles = standardized(table.controls)
    rows_of: dict[object, list[int]] = {}
    for i, key in enumerate(zip(table.perturbations, table.doses.tolist(), strict=True)):
        rows_of.setdefault(str(key), []).append(i)
    place = {name: i for i, name in enumerate(table.context_names)}
    groups = [np.array(rows) for rows in rows_of.values() if len(rows) > 2]
    best, lowest = ContextWeights(profiles, _DEFAULT, table.errors is not None), np.inf
    for temperature in TEMPERATURES if groups else ():
        for by_precision in (False, True) if table.errors is not None else (False,):
            error = sum(
                _left_out_error(table, rows, profiles, place, temperature, by_precision)
                for rows in groups
            )
            if error < lowest:
                best, lowest = ContextWeights(profiles, temperature, by_precision), error
    return best


def _left_out_error(
    table: EffectTable,
    rows: Floats,
    profiles: Floats,
    place: dict[str, int],
    temperature: float,
    by_precision: bool,
) -> float:
    """Squared error of one perturbation in each of its contexts, predicted from the others."""
    mine = profiles[[place[table.contexts[i]] for i in rows]]
    weights = softmax_weights(mine @ mine.T, ~np.eye(len(rows), dtype=bool), temperature)
    errors = None if table.errors is None else table.errors[rows]
    guess = combined(weights, table.effects[rows], errors, by_precision)
    return float(np.square(guess - table.effects[rows]).mean())
