"""Principal components of RNA, features of the other modality, and both side by side."""

from __future__ import annotations

import numpy as np

from scmamba.benchmark._multiomics.methods.base import (
    Floats,
    MultiomicsMethod,
    Outcome,
    components,
    genes,
    other,
)
from scmamba.benchmark._multiomics.split import MultiomicsSplit


def _placed(split: MultiomicsSplit, name: str, seed: int) -> Floats:
    """(n_cells, d) features of a modality; NaN where it was not measured."""
    found = components(genes(split), 50, seed) if name == "rna" else other(split, name, seed)
    placed = np.full((len(split.cells), found.shape[1]), np.nan)
    placed[split.rows(name)] = found
    return placed


def rna(split: MultiomicsSplit, seed: int) -> Outcome:
    """50 components of RNA."""
    return Outcome(embedding=_placed(split, "rna", seed))


def second(split: MultiomicsSplit, seed: int) -> Outcome:
    """Scaled log proteins, or LSI of peaks."""
    return Outcome(embedding=_placed(split, _second(split), seed))


def concatenated(split: MultiomicsSplit, seed: int) -> Outcome:
    """Both, each scaled to the same total variance."""
    parts = [_placed(split, name, seed) for name in ("rna", _second(split))]
    scaled = [one / np.sqrt(np.nanvar(one, axis=0).sum()) for one in parts]
    return Outcome(embedding=np.concatenate(scaled, axis=1))


def _second(split: MultiomicsSplit) -> str:
    return next(name for name in split.mods if name != "rna")


PCA_RNA = MultiomicsMethod(rna, "PCA of RNA", ("embedding",))
SECOND = MultiomicsMethod(second, "the other modality alone", ("embedding",))
PCA_BOTH = MultiomicsMethod(concatenated, "PCA of both, side by side", ("embedding",))
