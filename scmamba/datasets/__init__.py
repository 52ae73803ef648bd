"""Example data: cells from scanpy, synthetic cells, and files downloaded by a manifest."""

from scmamba.datasets.fetch import fetch
from scmamba.datasets.nucleotide_transformer import (
    NTTask,
    nucleotide_transformer,
    nucleotide_transformer_tasks,
)
from scmamba.datasets.pbmc import pbmc68k_reduced
from scmamba.datasets.synthetic import synthetic
from scmamba.datasets.synthetic_multiome import synthetic_multiome

__all__ = [
    "NTTask",
    "fetch",
    "nucleotide_transformer",
    "nucleotide_transformer_tasks",
    "pbmc68k_reduced",
    "synthetic",
    "synthetic_multiome",
]
