"""DNA and mRNA models: configurations, networks and published layouts."""

from __future__ import annotations

from scmamba.models.sequence.config import SEQUENCE_PRESETS, SequenceConfig, sequence_preset
from scmamba.models.sequence.model import SequenceModel, n_sequence_parameters

__all__ = [
    "SEQUENCE_PRESETS",
    "SequenceConfig",
    "SequenceModel",
    "n_sequence_parameters",
    "sequence_preset",
]
