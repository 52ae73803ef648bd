"""The embedding of fitted cells: the latent, principal components beside it, batches taken off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.components import Components
from scmamba.learn.latent_scale import centered
from scmamba.learn.soft_clusters import SoftClusters
from scmamba.tasks._integration.criteria import mixing

_MIXED = 0.9
"""Components stay if batches then mix at least this much as well as in the latent alone."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Corrected:
    """Fitted cells.

    Attributes
    ----------
    embedding
        (n_cells, d) latents, followed by k components if there are any; corrected.
    moved
        Root mean square of how far the correction moved cells, in units of their spread.
    mixing
        Of batches among neighbors.
    correction
        What was taken off.
    components
        Gives a cell's components; None where the embedding is the latent.
    """

    embedding: Floats
    moved: float
    mixing: float
    correction: SoftClusters
    components: Components | None = None


def correct(latent: Floats, batch_ids: npt.NDArray[np.int64], seed: int) -> Corrected:
    """Take off what is left of batches (n_cells,) in latents (n_cells, d)."""
    correction = SoftClusters.fit(latent, batch_ids, seed)
    embedding = correction.correct(latent, batch_ids)
    moved = _moved(latent, embedding)
    return Corrected(embedding, moved, mixing(embedding, batch_ids), correction)


def correct_with_components(
    latent: Floats, values: sparse.csr_matrix, batch_ids: npt.NDArray[np.int64], seed: int
) -> Corrected | None:
    """Correct latents joined to as many components, each half of the variance within batches.

    Components keep differences that a latent learned from few cells lacks, and bring in batch
    effects that offsets in clusters may not take off: None where batches then mix worse than in the
    latent before any correction.

    Parameters
    ----------
    latent
        (n_cells, d).
    values
        (n_cells, n_genes) log-normalized expression.
    batch_ids
        (n_cells,) from 0.
    seed
        Of components and clusters.
    """
    spread = float(np.sqrt((centered(latent, batch_ids) ** 2).sum(1).mean()))
    components = Components.fit(values, batch_ids, latent.shape[1], spread=spread, seed=seed)
    joined = correct(np.hstack([latent, components.of(values)]), batch_ids, seed)
    if joined.mixing < _MIXED * mixing(latent, batch_ids):
        return None
    return Corrected(joined.embedding, joined.moved, joined.mixing, joined.correction, components)


def _moved(before: Floats, after: Floats) -> float:
    spread = np.sqrt(((before - before.mean(0)) ** 2).sum(1).mean())
    return float(np.sqrt(((after - before) ** 2).sum(1).mean()) / max(spread, 1e-9))
