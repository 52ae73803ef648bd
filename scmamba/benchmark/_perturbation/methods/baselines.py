"""Plain predictors of effects, with and without prior knowledge of genes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from scmamba.benchmark._perturbation.methods.base import PerturbationMethod, PredictedEffects
from scmamba.benchmark._perturbation.split import PerturbationSplit
from scmamba.learn.effects.baselines import (
    BASELINES,
    Embedding,
    NearestPerturbations,
    TwoSidedRidge,
)
from scmamba.learn.effects.gene_sets import GeneSets
from scmamba.learn.effects.predictor import EffectPredictor

_TITLES = {
    "no_change": "no change",
    "mean": "mean effect",
    "matching_mean": "matching mean",
    "additive": "additive",
    "context_delta": "mean change elsewhere",
    "similar_contexts": "mean change, by likeness of controls",
    "context_plus_perturbation": "context mean + perturbation mean",
    "nearest": "nearest perturbations, expression",
    "ridge": "two-sided ridge, expression",
}


@dataclass(frozen=True)
class FromEffects:
    """Fits a predictor on the training effects.

    Attributes
    ----------
    predictor
        What is fitted.
    """

    predictor: EffectPredictor

    def __call__(self, split: PerturbationSplit, seed: int) -> PredictedEffects:
        """Predict the requests; nothing is random."""
        return PredictedEffects(self.predictor.fit(split.table).predict(split.query))


def nearest_gene_sets(split: PerturbationSplit, seed: int) -> PredictedEffects:
    """Nearest perturbations by shared gene sets."""
    return FromEffects(NearestPerturbations(gene_set_embedding()))(split, seed)


def ridge_gene_sets(split: PerturbationSplit, seed: int) -> PredictedEffects:
    """Two-sided ridge on shared gene sets."""
    return FromEffects(TwoSidedRidge(gene_set_embedding()))(split, seed)


@lru_cache(maxsize=1)
def gene_set_embedding() -> Embedding:
    """Vectors of human genes from the gene sets of the package."""
    sets = GeneSets.human()
    return Embedding.of_gene_sets(sets)


NEAREST_GENE_SETS = PerturbationMethod(nearest_gene_sets, "nearest perturbations, gene sets")
RIDGE_GENE_SETS = PerturbationMethod(ridge_gene_sets, "two-sided ridge, gene sets")
FROM_EFFECTS = {
    name: PerturbationMethod(FromEffects(predictor), _TITLES[name])
    for name, predictor in BASELINES.items()
}
