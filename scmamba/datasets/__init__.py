"""Cells to try things on: those in scanpy's wheel, made ones, and files fetched by a manifest."""

from scmamba.datasets.fetch import fetch
from scmamba.datasets.pbmc import pbmc68k_reduced
from scmamba.datasets.synthetic import synthetic

__all__ = ["fetch", "pbmc68k_reduced", "synthetic"]
