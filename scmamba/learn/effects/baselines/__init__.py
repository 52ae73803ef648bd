"""Plain predictors of perturbation effects, by name; a new one is registered by one line here."""

from __future__ import annotations

from scmamba.learn.effects.baselines.combinations import Additive, MatchingMean
from scmamba.learn.effects.baselines.contexts import (
    ContextMeanDelta,
    ContextPlusPerturbation,
    SimilarContexts,
)
from scmamba.learn.effects.baselines.embeddings import Embedding
from scmamba.learn.effects.baselines.latent_shift import LatentShift
from scmamba.learn.effects.baselines.means import MeanEffect, NoChange
from scmamba.learn.effects.baselines.nearest import NearestPerturbations
from scmamba.learn.effects.baselines.ridge import TwoSidedRidge
from scmamba.learn.effects.predictor import EffectPredictor

BASELINES: dict[str, EffectPredictor] = {
    one.name: one
    for one in (
        NoChange(),
        MeanEffect(),
        MatchingMean(),
        Additive(),
        ContextMeanDelta(),
        SimilarContexts(),
        ContextPlusPerturbation(),
        NearestPerturbations(),
        TwoSidedRidge(),
    )
}
"""Baselines with their usual settings."""

__all__ = [
    "BASELINES",
    "Additive",
    "ContextMeanDelta",
    "ContextPlusPerturbation",
    "Embedding",
    "LatentShift",
    "MatchingMean",
    "MeanEffect",
    "NearestPerturbations",
    "NoChange",
    "SimilarContexts",
    "TwoSidedRidge",
]
