"""Models: configurations, the cell model, and how weights are saved and loaded."""

from __future__ import annotations

from scmamba.models.cell import CellModel, CellOutput, n_parameters
from scmamba.models.config import PRESETS, CellConfig, preset
from scmamba.models.report import LoadReport

__all__ = [
    "PRESETS",
    "CellConfig",
    "CellModel",
    "CellOutput",
    "LoadReport",
    "n_parameters",
    "preset",
]
