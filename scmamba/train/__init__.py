"""Objectives, and the one loop that trains a model on them."""

from __future__ import annotations

from scmamba.train.config import FitConfig, TrainConfig
from scmamba.train.fit import FitResult, fit, train
from scmamba.train.objectives import CLS, GEP, MVC, Objective, class_weights
from scmamba.train.sequences import SequenceFitConfig, fit_sequences

__all__ = [
    "CLS",
    "GEP",
    "MVC",
    "FitConfig",
    "FitResult",
    "Objective",
    "SequenceFitConfig",
    "TrainConfig",
    "class_weights",
    "fit",
    "fit_sequences",
    "train",
]
