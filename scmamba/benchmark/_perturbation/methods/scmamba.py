"""The perturbation model of this package."""

from __future__ import annotations

import numpy as np

from scmamba._errors import ScmambaError
from scmamba.benchmark._perturbation.methods.base import PerturbationMethod, PredictedEffects
from scmamba.benchmark._perturbation.problem import CONTEXT, CONTROL, PERTURBATION
from scmamba.benchmark._perturbation.split import PerturbationSplit
from scmamba.learn.effects.table import Floats
from scmamba.tasks._perturbation.model import PerturbationModel


def run(split: PerturbationSplit, seed: int) -> PredictedEffects:
    """Fit on the training part, with the settings that are chosen there."""
    from scmamba import tasks

    model = tasks.perturb(
        split.train,
        PERTURBATION,
        None if split.effects else CONTROL,
        context_key=CONTEXT if split.has_contexts else None,
        effects=split.effects,
        seed=seed,
    )
    changes = model.fitted.predict(split.query)  # also for what no source knows: the mean
    if split.effects:
        return PredictedEffects(changes)
    whole = PredictedEffects(changes)
    cells = [_cells(model, split, i, whole) for i in range(len(split.requests))]
    return PredictedEffects(changes, cells)


def _cells(
    model: PerturbationModel, split: PerturbationSplit, i: int, whole: PredictedEffects
) -> Floats:
    """Cells of a request; those of the controls, moved, where the model knows no target."""
    context, label = split.requests[i]
    try:
        made = model.predict(split.controls(context), [label])
    except ScmambaError:
        return whole.cells_of(split, i)
    x = made[:, split.train.var_names].X
    return x.toarray() if hasattr(x, "toarray") else np.asarray(x)


SCMAMBA = PerturbationMethod(run, "scmamba")
