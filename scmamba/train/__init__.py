"""Objectives, their batches, and the one loop that trains a model on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scmamba.train.budget import Cut, Pace, TimeBudget
from scmamba.train.config import FitConfig, SequenceFitConfig, TrainConfig
from scmamba.train.data import (
    CellEpochs,
    EpochBatches,
    GeneSubsetEpochs,
    SequenceEpochs,
    StreamEpochs,
)
from scmamba.train.fit import fit, fit_sequences, train
from scmamba.train.objectives import (
    CLS,
    DAB,
    ECS,
    GEP,
    KL,
    MVC,
    NB,
    OBJECTIVES,
    Contrast,
    MultiLabel,
    NextToken,
    Objective,
    SquaredError,
    SupCon,
    TokenClasses,
    check_objectives,
    class_weights,
)
from scmamba.train.result import FitResult

if TYPE_CHECKING:
    from scmamba.train.callbacks import Ramp

__all__ = [
    "CLS",
    "DAB",
    "ECS",
    "GEP",
    "KL",
    "MVC",
    "NB",
    "OBJECTIVES",
    "CellEpochs",
    "Contrast",
    "Cut",
    "EpochBatches",
    "FitConfig",
    "FitResult",
    "GeneSubsetEpochs",
    "MultiLabel",
    "NextToken",
    "Objective",
    "Pace",
    "Ramp",
    "SequenceEpochs",
    "SequenceFitConfig",
    "SquaredError",
    "StreamEpochs",
    "SupCon",
    "TimeBudget",
    "TokenClasses",
    "TrainConfig",
    "check_objectives",
    "class_weights",
    "fit",
    "fit_sequences",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "Ramp":  # needs Lightning, which takes seconds to import
        from scmamba.train.callbacks import Ramp

        return Ramp
    raise AttributeError(f"module 'scmamba.train' has no attribute {name!r}")
