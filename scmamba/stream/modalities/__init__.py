"""Several modalities of cells: RNA, proteins, chromatin, read from whatever holds them."""

from scmamba.stream.modalities.container import Modalities, Modality
from scmamba.stream.modalities.peaks import genome_order, parse_peaks
from scmamba.stream.modalities.read import read_modalities

__all__ = ["Modalities", "Modality", "genome_order", "parse_peaks", "read_modalities"]
