"""Mean of each feature: the same for every cell."""

from __future__ import annotations

import numpy as np

from scmamba.benchmark._multiomics.methods.base import (
    MultiomicsMethod,
    Outcome,
    target_values,
)
from scmamba.benchmark._multiomics.split import MultiomicsSplit


def mean(split: MultiomicsSplit, seed: int) -> Outcome:
    """Mean over the cells in which it was measured."""
    return Outcome(imputed=np.tile(target_values(split).mean(0), (len(split.hidden), 1)))


MEAN = MultiomicsMethod(mean, "mean of each feature", ("imputation", "mosaic"))
