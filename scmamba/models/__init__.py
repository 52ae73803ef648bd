"""Models: configurations, the cell model, and how weights are saved and loaded."""

from __future__ import annotations

from scmamba.models.about import ModelInfo, info
from scmamba.models.cell import CellModel, n_parameters
from scmamba.models.checkpoint import save
from scmamba.models.config import PRESETS, CellConfig, preset
from scmamba.models.device import resolve_device
from scmamba.models.loading import fetch, load
from scmamba.models.output import CellOutput
from scmamba.models.report import LoadReport

__all__ = [
    "PRESETS",
    "CellConfig",
    "CellModel",
    "CellOutput",
    "LoadReport",
    "ModelInfo",
    "fetch",
    "info",
    "load",
    "n_parameters",
    "preset",
    "resolve_device",
    "save",
]
