"""Combinations of perturbations as scaled sums of their parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scmamba.learn.effects.table import EffectTable, Floats

Single = Callable[[str, str, float], Floats]
"""Effect (n_genes,) of one perturbation in a context, at a dose."""
SMALLEST, LARGEST = 0.2, 1.5
"""Bounds of the factor: at 0 every combination would be no change, which ranks with nothing."""


def fit_scale(table: EffectTable, single: Single) -> float:
    """Factor of the sum of the single effects that fits the measured combinations best.

    Least squares over all combinations whose parts were measured in the same context, between .2
    and 1.5; 1 where there are none.
    """
    measured = set(zip(table.perturbations, table.contexts, strict=True))
    product, square = 0.0, 0.0
    for i, perturbation in enumerate(table.perturbations):
        context, dose = table.contexts[i], float(table.doses[i])
        if len(perturbation) < 2 or any(
            ((name,), context) not in measured for name in perturbation
        ):
            continue
        total = np.sum([single(name, context, dose) for name in perturbation], axis=0)
        product += float(total @ table.effects[i])
        square += float(total @ total)
    return float(np.clip(product / square, SMALLEST, LARGEST)) if square > 0 else 1.0
