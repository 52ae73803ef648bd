"""Models of cells and of sequences: configurations, networks, loading and saving."""

from __future__ import annotations

from scmamba.models.about import ModelInfo, info
from scmamba.models.catalog import list_models as list
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.extend import Extended, extend_genes, start_from_sequences
from scmamba.models.cell.model import CellModel, n_parameters
from scmamba.models.cell.output import CellOutput
from scmamba.models.cell.presets import PRESETS, preset
from scmamba.models.checkpoint.report import LoadReport
from scmamba.models.checkpoint.writing import save
from scmamba.models.device import resolve_device
from scmamba.models.fetching import fetch
from scmamba.models.hub.upload import save_to_hub
from scmamba.models.loading import load
from scmamba.models.sequence.config import SEQUENCE_PRESETS, SequenceConfig, sequence_preset
from scmamba.models.sequence.model import SequenceModel

__all__ = [
    "PRESETS",
    "SEQUENCE_PRESETS",
    "CellConfig",
    "CellModel",
    "CellOutput",
    "Extended",
    "LoadReport",
    "ModelInfo",
    "SequenceConfig",
    "SequenceModel",
    "extend_genes",
    "fetch",
    "info",
    "list",
    "load",
    "n_parameters",
    "preset",
    "resolve_device",
    "save",
    "save_to_hub",
    "sequence_preset",
    "start_from_sequences",
]
