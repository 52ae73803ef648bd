"""Predicted mean changes: of measured contexts, or over a user's control cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scmamba.learn.effects.model import FittedEffectModel
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.predictor import Query
from scmamba.learn.effects.table import Floats
from scmamba.tasks._perturbation.requests import Requests


def mean_changes(
    fitted: FittedEffectModel,
    requests: Requests,
    perturbations: Sequence[Perturbation],
    contexts: Sequence[str],
    dose: float = float("nan"),
) -> Floats:
    """(n, n_genes) changes of each perturbation, their mean over measured contexts."""
    found = []
    for context in contexts:
        profile = requests.profile_or_none(context)
        controls = None if profile is None else np.tile(profile, (len(perturbations), 1))
        doses: npt.NDArray[np.float64] = np.full(len(perturbations), dose)
        query = Query.of(perturbations, [context] * len(perturbations), controls, doses)
        found.append(fitted.predict(query))
    return np.asarray(np.mean(found, axis=0))


def mean_controls(requests: Requests, contexts: Sequence[str]) -> Floats:
    """(n_genes,) control profile, the mean over measured contexts."""
    return np.asarray(np.mean([requests.profile(name) for name in contexts], axis=0))
