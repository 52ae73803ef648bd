"""Choice of the weights of contexts, by leaving out one measured context at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scmamba.learn.effects.contexts import (
    ContextWeights,
    averaged,
    precision_of,
    softmax_weights,
)
from scmamba.learn.effects.table import EffectTable, Floats, Ints

TEMPERATURES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 1.0, float("inf"))
"""Divisors of correlations to choose from; infinity weighs all contexts alike."""
CONVERGENCES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Shares of the difference between control profiles to choose from."""
BASELINE = (0.02, False)
"""Temperature of weights by likeness alone, without precision."""
_DEFAULT = 0.03
_TOP = 100
"""Genes that change most."""


def fit_context_weights(table: EffectTable) -> ContextWeights | None:
    """Choose temperature and precision, and after these the convergence, on left-out contexts.

    The start is the plain baseline, weights by likeness alone. Another choice must beat it by more
    than the standard error of the difference over left-out effects; a few noisy contexts cannot
    tell more. With fewer than three contexts nothing is chosen. None is returned without control
    profiles.
    """
    if table.controls is None or not len(table.context_names):
        return None
    rows_of: dict[object, list[int]] = {}
    for i, key in enumerate(zip(table.perturbations, table.doses.tolist(), strict=True)):
        rows_of.setdefault(str(key), []).append(i)
    groups = [np.array(rows) for rows in rows_of.values() if len(rows) > 2]
    has_errors = table.errors is not None
    if not groups:
        return ContextWeights(table.controls, _DEFAULT, has_errors)
    plain = ContextWeights(table.controls, *BASELINE)
    weights = [
        replace(plain, temperature=temperature, by_precision=by_precision)
        for temperature in TEMPERATURES
        for by_precision in ((False, True) if has_errors else (False,))
    ]
    chosen = _choose(table, groups, plain, weights)
    return _choose(table, groups, chosen, [replace(chosen, convergence=c) for c in CONVERGENCES])


def _choose(
    table: EffectTable,
    groups: Sequence[Ints],
    start: ContextWeights,
    others: Sequence[ContextWeights],
) -> ContextWeights:
    """Return the best of ``others``, or ``start`` where left-out effects cannot tell them apart."""
    trust = _reliability(table, np.concatenate(groups))

    def errors(weights: ContextWeights) -> Floats:
        return np.concatenate([_left_out_errors(table, rows, weights) for rows in groups])

    found = [errors(one) for one in others]
    best = int(np.argmin([trust @ one for one in found]))
    gain = trust * (errors(start) - found[best]) / trust.mean()
    certain = gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain))
    return others[best] if certain else start


def _reliability(table: EffectTable, rows: Ints) -> Floats:
    """(n,) weight of each left-out effect, smaller where it was measured in few cells."""
    if table.errors is None:
        return np.ones(len(rows))
    variance = np.square(table.errors[rows], dtype=np.float64).mean(1)
    return np.asarray(1 / (variance + variance.mean() + 1e-12))


def _left_out_errors(table: EffectTable, rows: Ints, weights: ContextWeights) -> Floats:
    """(n_rows,) error of one perturbation in each context, predicted from the others.

    That is the squared error as a share of the squared effect, over all genes and over those that
    change most, added up: over all genes alone, noise of the many that hardly change would decide.
    """
    places = [table.context_names.index(table.contexts[i]) for i in rows]
    mine, controls = weights.profiles[places], weights.controls[places]
    others = ~np.eye(len(rows), dtype=bool)
    share = softmax_weights(mine @ mine.T, others, weights.temperature)
    effects, precision = table.effects[rows], None
    if table.errors is not None and weights.by_precision:
        precision = precision_of(table.errors[rows], effects)
        effects = effects * precision
    guess = averaged(share, effects, precision)
    if weights.convergence:
        guess = guess + weights.convergence * (share @ controls - controls)
    wanted = np.square(table.effects[rows], dtype=np.float64)
    missed = np.square(guess - table.effects[rows], dtype=np.float64)
    top = np.argsort(-wanted, axis=1)[:, :_TOP]
    parts = [(missed, wanted), tuple(np.take_along_axis(x, top, 1) for x in (missed, wanted))]
    return np.sum([a.sum(1) / np.maximum(b.sum(1), 1e-12) for a, b in parts], axis=0)
