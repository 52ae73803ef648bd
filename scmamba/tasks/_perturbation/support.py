"""How far a request is from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scmamba.learn.effects.model import FittedEffectModel
from scmamba.learn.effects.names import Perturbation, label_of
from scmamba.learn.effects.table import Floats


def support(
    fitted: FittedEffectModel,
    perturbations: Sequence[Perturbation],
    profiles: Mapping[str, Floats | None],
) -> pd.DataFrame:
    """Tell what predictions rest on.

    Parameters
    ----------
    fitted
        The model.
    perturbations
        What is asked for.
    profiles
        Control profile of each context that is asked for, or None.

    Returns
    -------
    One row per perturbation and context: ``rests_on`` (``"measured"``, ``"other contexts"``,
    ``"similar genes"``, ``"mean of all"``, ``"its parts"``), the ``nearest`` measured perturbation
    with its ``similarity`` in [0, 1], and the ``nearest_context`` with its ``context_similarity``,
    a correlation in [-1, 1].
    """
    rows = []
    for one in perturbations:
        for context, profile in profiles.items():
            near, alike = _nearest_context(fitted, context, profile)
            rests_on, nearest, similarity = _basis(fitted, one, context)
            rows.append((label_of(one), context, rests_on, nearest, similarity, near, alike))
    return pd.DataFrame(
        rows,
        columns=[
            "perturbation",
            "context",
            "rests_on",
            "nearest",
            "similarity",
            "nearest_context",
            "context_similarity",
        ],
    )


def _basis(
    fitted: FittedEffectModel, perturbation: Perturbation, context: str
) -> tuple[str, str, float]:
    rows = fitted.rows_of(perturbation)
    if not perturbation or any(fitted.table.contexts[i] == context for i in rows):
        return "measured", label_of(perturbation), 1.0
    if rows:
        return "other contexts", label_of(perturbation), 1.0
    if len(perturbation) > 1:
        parts = [_basis(fitted, (name,), context) for name in perturbation]
        return "its parts", label_of(perturbation), min(part[2] for part in parts)
    found = [model.nearest(perturbation[0]) for model in fitted.unseen.values()]
    name, similarity = max(found, key=lambda one: one[1])
    return ("similar genes" if similarity > 0 else "mean of all"), name, similarity


def _nearest_context(
    fitted: FittedEffectModel, context: str, profile: Floats | None
) -> tuple[str, float]:
    if context in fitted.table.contexts:
        return context, 1.0
    if fitted.weights is None or profile is None:
        return "", float("nan")
    similarity = fitted.weights.similarity(np.atleast_2d(profile))[0]
    best = int(similarity.argmax())
    return fitted.table.context_names[best], float(similarity[best])
