"""Models: configurations, cell and sequence models, how weights are saved and loaded."""

from __future__ import annotations

from scmamba.models.about import ModelInfo, info
from scmamba.models.cell import CellModel, n_parameters
from scmamba.models.checkpoint import save
from scmamba.models.config import PRESETS, CellConfig, preset
from scmamba.models.device import resolve_device
from scmamba.models.gene_bridge import Extended, extend_genes, start_from_sequences
from scmamba.models.loading import fetch, load
from scmamba.models.output import CellOutput
from scmamba.models.report import LoadReport
from scmamba.models.sequence import SequenceModel
from scmamba.models.sequence_config import SEQUENCE_PRESETS, SequenceConfig, sequence_preset

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
    "load",
    "n_parameters",
    "preset",
    "resolve_device",
    "save",
    "sequence_preset",
    "start_from_sequences",
]
