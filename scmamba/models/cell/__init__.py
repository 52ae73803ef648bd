"""Cell model: configuration, network, published layout."""

from __future__ import annotations

from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.model import CellModel, n_parameters
from scmamba.models.cell.output import CellOutput
from scmamba.models.cell.presets import PRESETS, preset

__all__ = ["PRESETS", "CellConfig", "CellModel", "CellOutput", "n_parameters", "preset"]
