"""Gene vectors of a pretrained model of cells, as further components at which a fit starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.models import CellModel
from scmamba.tokens.cells.genes import resolve

_MOST = 32
"""Dimensions kept: the principal components of the vectors."""


def gene_vectors(net: CellModel, genes: Sequence[str]) -> npt.NDArray[np.float32]:
    """(n_genes, d) principal components of the model's gene vectors; 0 for genes it lacks.

    Raises
    ------
    ScmambaError
        The model has no vocabulary, or fewer than half of the genes are in it.
    """
    if net.vocab is None:
        raise ScmambaError("the model has no vocabulary; load it from a folder with vocab.json")
    index = resolve(list(genes), list(net.vocab.tokens)).index
    known = np.flatnonzero(index >= 0)
    if 2 * len(known) < len(genes):
        raise ScmambaError(
            f"the model knows {len(known):,} of the {len(genes):,} genes to model, for example "
            f"not {genes[int(np.argmin(index))]!r}; at least half are needed: give symbols or "
            "Ensembl ids"
        )
    logger.info("%d of %d genes start at vectors of the model", len(known), len(genes))
    with torch.no_grad():
        ids = torch.from_numpy(index[known])
        own = net.gene_embedding.embedding.weight[ids].float().cpu().numpy()
    own = own - own.mean(0)
    left, size, _ = np.linalg.svd(own, full_matrices=False)
    k = min(_MOST, len(size))
    found = np.zeros((len(genes), k), np.float32)
    found[known] = left[:, :k] * size[:k] / max(float(size[0]), 1e-12)
    return found


def start_labels(embedding: nn.Module | None, n: int, weight: torch.Tensor) -> None:
    """Start vectors of batches or modalities at those of a pretrained model, as far as they go.

    Parameters
    ----------
    embedding
        The model's embedding of ``n`` labels, or None: nothing changes.
    n
        Number of its labels.
    weight
        (n_labels, width) changed in place.
    """
    if embedding is None:
        return
    with torch.no_grad():
        device = next(embedding.parameters()).device
        found = embedding(torch.arange(n, device=device)).float().cpu()
        rows, width = min(len(weight), n), min(weight.shape[1], found.shape[1])
        weight[:rows, :width] = found[:rows, :width]
