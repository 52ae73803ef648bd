"""Shift in principal components, on cells."""

from __future__ import annotations

import numpy as np

from scmamba.benchmark._perturbation.methods.base import PerturbationMethod, PredictedEffects
from scmamba.benchmark._perturbation.problem import CONTEXT, PERTURBATION
from scmamba.benchmark._perturbation.split import PerturbationSplit
from scmamba.learn.effects.baselines import LatentShift


def run(split: PerturbationSplit, seed: int) -> PredictedEffects:
    """Predict the cells of each request from the controls of its context."""
    obs = split.train.obs
    labels = obs[PERTURBATION].astype(str)
    parsed = {label: split.names.parse(label) for label in labels.unique()}
    fitted = LatentShift(seed=seed).fit(
        split.train.X, [parsed[label] for label in labels], obs[CONTEXT].astype(str).tolist()
    )
    cells, changes = [], []
    for context, label in split.requests:
        control = split.controls(context).X
        cells.append(fitted.cells(control, split.names.parse(label)))
        changes.append(cells[-1].mean(0) - np.asarray(control.mean(0)).ravel())
    return PredictedEffects(np.stack(changes), cells)


LATENT_SHIFT = PerturbationMethod(run, "latent shift (principal components)", needs_cells=True)
