"""Cells in a fitted model: their embedding from all modalities and from each alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._describe import Described
from scmamba.learn.reference import Near, Reference
from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.trained import Trained


@dataclass(frozen=True, repr=False)
class MappedCells(Described):
    """Cells in a fitted multi-omics model.

    Attributes
    ----------
    obs_names
        (n_cells,) names.
    embedding
        (n_cells, n_latent) from all modalities of each cell.
    by_modality
        (n_cells, n_latent) from each modality alone; NaN for cells without it.
    weights
        (n_cells,) of each modality: its part in the embedding of the cell, 0 where it was not
        measured.
    measured
        (n_cells,) of each modality: whether it was measured.
    near
        Distance to the fitted cells, and labels transferred from them.
    """

    obs_names: pd.Index
    embedding: npt.NDArray[np.float32]
    by_modality: dict[str, npt.NDArray[np.float32]]
    weights: dict[str, npt.NDArray[np.float32]]
    measured: dict[str, npt.NDArray[np.bool_]]
    near: Near

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        entries = {
            "cells": f"{len(self.embedding):,}, embedded in {self.embedding.shape[1]} dimensions",
            **{
                name: f"measured in {int(there.sum()):,} cells, of mean weight "
                f"{self.weights[name][there].mean() if there.any() else 0:.2f}"
                for name, there in self.measured.items()
            },
            "distance": f"{np.nanmedian(self.near.distance):.2f} to the fitted cells (median; 1 is "
            "usual)",
        }
        return "MappedCells", entries


def mapped_cells(
    trained: Trained,
    cells: Cells,
    scale: npt.NDArray[np.float32],
    reference: Reference,
    names: pd.Index,
) -> MappedCells:
    """Embed cells, and look up what is near in the reference.

    ``scale`` (n_latent, n_latent) is what their latents are multiplied by, as those of the
    reference were.
    """
    joint = trained.embed(cells)
    embedding = joint.mean @ scale
    alone, blocks = {}, cells.blocks.blocks
    for block in blocks:
        own = trained.embed(cells, [block.name]).mean @ scale
        own[~block.measured] = np.nan
        alone[block.name] = own
    return MappedCells(
        names,
        embedding,
        alone,
        {block.name: joint.weights[:, m].copy() for m, block in enumerate(blocks)},
        {block.name: block.measured for block in blocks},
        reference.near(embedding),
    )
