"""The perturbation model of this package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scmamba._errors import ScmambaError
from scmamba.benchmark._perturbation.methods.base import PerturbationMethod, PredictedEffects
from scmamba.benchmark._perturbation.problem import CONTEXT, CONTROL, PERTURBATION
from scmamba.benchmark._perturbation.split import PerturbationSplit
from scmamba.learn.effects.table import Floats
from scmamba.learn.training import PerturbationTraining
from scmamba.tasks._perturbation.model import PerturbationModel


@dataclass(frozen=True)
class Scmamba:
    """Fits :func:`scmamba.tasks.perturb` on the training part; settings are chosen there.

    Attributes
    ----------
    training
        How the neural residual is trained; None: there is none.
    """

    training: PerturbationTraining | None = None

    def __call__(self, split: PerturbationSplit, seed: int) -> PredictedEffects:
        """Predict means and cells from the control cells of each request, as a user would."""
        from scmamba import tasks

        model = tasks.perturb(
            split.train,
            PERTURBATION,
            None if split.effects else CONTROL,
            context_key=CONTEXT if split.has_contexts else None,
            effects=split.effects,
            training=self.training,
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
    """Cells of a request, and its change; the controls, moved, where no source knows the target."""
    context, label = split.requests[i]
    try:
        mean = model.predict_mean(split.controls(context), [label])
        made = model.predict(split.controls(context), [label])
    except ScmambaError:
        return whole.cells_of(split, i)
    whole.changes[i] = mean[list(split.train.var_names)].to_numpy()[0]
    x = made[:, split.train.var_names].X
    return x.toarray() if hasattr(x, "toarray") else np.asarray(x)


SCMAMBA = PerturbationMethod(Scmamba(), "scmamba")
NETWORK = PerturbationMethod(
    Scmamba(PerturbationTraining()), "scmamba + network, no Mamba layers", named_only=True
)
NETWORK_MAMBA = PerturbationMethod(
    Scmamba(PerturbationTraining(n_layer=1)), "scmamba + network, one Mamba layer", named_only=True
)
