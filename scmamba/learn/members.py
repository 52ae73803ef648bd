"""Members of an ensemble that held-out examples ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba.learn.calibration import Kind, loss
from scmamba.learn.fusion import Fusion

Floats = npt.NDArray[np.float64]


def helpful_members(kind: Kind, outputs: Sequence[Floats], target: npt.NDArray[Any]) -> list[int]:
    """Members in order of their loss on held-out examples, as long as the mean gets better."""
    fusion = Fusion(kind)

    def cost(members: list[int]) -> float:
        mean = np.mean([outputs[i] for i in members], axis=0)
        return loss(kind, fusion.predict(None, mean), target)

    kept: list[int] = []
    for i in sorted(range(len(outputs)), key=lambda i: cost([i])):
        if not kept or cost([*kept, i]) < cost(kept):
            kept.append(i)
    return kept
