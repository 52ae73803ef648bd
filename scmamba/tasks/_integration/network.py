"""The network that integrates: its configuration, its heads, its objectives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from scmamba.learn.training import IntegrationObjectives, IntegrationTraining
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.model import CellModel
from scmamba.models.device import resolve_device
from scmamba.stream import CellData
from scmamba.train import (
    CLS,
    DAB,
    ECS,
    GEP,
    KL,
    MVC,
    NB,
    Contrast,
    Objective,
    SupCon,
    class_weights,
)

GENE_SCALE = 0.1
"""Standard deviation of new gene embeddings: small ones are moved by what is learned."""
_TEMPERATURE, _ECS_THRESHOLD = 0.2, 0.5
"""Of the contrastive losses, and the cosine similarity that elastic cell similarity pulls to."""
_CLASS_POWER = 0.5


@dataclass(frozen=True)
class Cells:
    """Cells to integrate.

    Attributes
    ----------
    data
        Tokens, with ``batch_ids``, and ``labels`` where some are known.
    counts
        (n_cells, n_genes) counts that are decoded; None where only bins can be.
    n_batches, n_classes
        How many there are.
    values
        (n_cells, n_genes) log-normalized counts, in which distances are to mean expression; None
        where only bins are decoded, and where labels shape the latent.
    genes
        (n_genes,) vocabulary ids of the genes that are decoded in bins; None for counts.
    normed_by_batch
        Whether each batch is normalized by its own statistics, and its cells are told apart from
        one another alone; else all cells together.
    """

    data: CellData
    counts: sparse.csr_matrix | None
    n_batches: int
    n_classes: int = 0
    values: sparse.csr_matrix | None = None
    genes: npt.NDArray[np.int64] | None = None
    normed_by_batch: bool = True

    @property
    def target(self) -> sparse.csr_matrix:
        """(n_cells, n_genes) what is decoded: counts, or the bins of ``genes``."""
        if self.counts is not None:
            return self.counts
        tokens, n = self.data.tokens, len(self.data.vocab)
        parts = (tokens.values.astype(np.float32), tokens.gene_ids, tokens.indptr)
        return sparse.csr_matrix(parts, shape=(len(self.data), n))[:, self.genes]

    @property
    def batch_ids(self) -> npt.NDArray[np.int64]:
        """(n_cells,) batch of each cell."""
        assert self.data.batch_ids is not None
        return self.data.batch_ids


def rebuilds(objectives: IntegrationObjectives) -> bool:
    """Whether hidden expression is predicted; objectives have no None."""
    return objectives.gep > 0 or (objectives.mvc or 0) > 0


def heads(
    cells: Cells, training: IntegrationTraining, objectives: IntegrationObjectives
) -> dict[str, Any]:
    """Fields of the configuration that make a cell model an integrating one."""
    return {
        "cell_norm": "per_batch" if cells.normed_by_batch else "unscaled",
        "n_latent": training.n_latent,
        "n_counts": 0 if cells.counts is None else cells.counts.shape[1],
        "n_batches": cells.n_batches,
        "n_modalities": 0,
        "batch_labels": True,
        "adversary": objectives.dab > 0,
        "n_classes": cells.n_classes if objectives.cls > 0 else 0,
        "class_layers": 1,
        "expression": objectives.gep > 0,
        "mvc": (objectives.mvc or 0) > 0,
        "explicit_zero": objectives.explicit_zero and rebuilds(objectives),
    }


def compact(
    cells: Cells,
    training: IntegrationTraining,
    objectives: IntegrationObjectives,
    n_layer: int,
    seed: int,
    vectors: npt.NDArray[np.float32] | None = None,
) -> CellModel:
    """Make a model of the genes of these cells; 0 layers make a bag of tokens.

    The genes, first in the vocabulary, start from ``vectors`` (n_genes, k) if given, scaled to the
    size that new ones have, else at random.
    """
    config = CellConfig.of(
        n_genes=len(cells.data.vocab),
        d_model=training.width,
        n_layer=n_layer,
        d_state=training.d_state,
        value_type="bins" if cells.data.tokens.values.dtype.kind in "iu" else "lognorm",
        value_encoding="product",
        gene_norm=False,
        input_norm="none",
        pool="mean",
        pool_masked=False,
        **heads(cells, training, objectives),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CellModel(config)
        with torch.no_grad():
            table = model.gene_embedding.embedding.weight.mul_(GENE_SCALE)
            if vectors is not None:
                scaled = vectors * (GENE_SCALE / max(float(np.sqrt(np.mean(vectors**2))), 1e-9))
                table[: len(scaled), : scaled.shape[1]] = torch.from_numpy(scaled)
    model.vocab = cells.data.vocab
    return model.to(resolve_device())


def losses(cells: Cells, objectives: IntegrationObjectives) -> list[Objective[Any, Any]]:
    """Return the objectives with their weights; those that these cells cannot have are off."""
    w, labels = objectives, cells.data.labels
    by_class: tuple[float, ...] = ()
    if labels is not None and cells.n_classes:
        by_class = class_weights(labels, cells.n_classes, _CLASS_POWER)
    return [
        NB(w.nb or 0 if cells.counts is not None else 0),
        KL(w.kl),
        Contrast(w.contrast, _TEMPERATURE, cells.normed_by_batch),
        DAB(w.dab, class_weights(cells.batch_ids, cells.n_batches, 1.0)),
        ECS(w.ecs, _ECS_THRESHOLD),
        GEP(w.gep),
        MVC(w.mvc or 0),
        CLS(w.cls if cells.n_classes else 0, by_class),
        SupCon(w.supcon if cells.n_classes else 0, _TEMPERATURE),
    ]
