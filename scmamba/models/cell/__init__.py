"""Cell model: configuration, network, published layout."""

from __future__ import annotations

from scmamba.models.cell.config import PRESETS, CellConfig, preset
from scmamba.models.cell.model import CellModel, n_parameters
from scmamba.models.cell.output import CellOutput

__all__ = ["PRESETS", "CellConfig", "CellModel", "CellOutput", "n_parameters", "preset"]
