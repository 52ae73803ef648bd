"""What a fit takes over from a pretrained model of cells: vectors of genes, batches and modalities.

Gene vectors are further components of RNA, beside those of the data. Mamba layers, where they are
asked for, are the first ones of the model; what they read is the gene's vector, as far as its
components hold it, times the gene's value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from scmamba._log import logger
from scmamba.models import CellModel
from scmamba.tasks._multiomics.mixer import Mixer
from scmamba.tasks._multiomics.sizes import Sizes
from scmamba.tasks._pretrained import known_vectors

_MOST = 32
"""Dimensions kept: the principal components of the vectors."""


@dataclass(frozen=True)
class GeneVectors:
    """Vectors of genes in their principal components.

    Attributes
    ----------
    loadings
        (n_genes, k); 0 for genes that the model lacks.
    basis
        (k, width): loadings times basis are the vectors without their mean.
    """

    loadings: npt.NDArray[np.float32]
    basis: npt.NDArray[np.float32]


def gene_vectors(net: CellModel, genes: Sequence[str]) -> GeneVectors:
    """Return principal components of the model's gene vectors.

    Raises
    ------
    ScmambaError
        The model has no vocabulary, or fewer than half of the genes are in it.
    """
    known, own = known_vectors(net, genes)
    own = own - own.mean(0)
    left, size, right = np.linalg.svd(own, full_matrices=False)
    k, largest = min(_MOST, len(size)), max(float(size[0]), 1e-12)
    found = np.zeros((len(genes), k), np.float32)
    found[known] = left[:, :k] * size[:k] / largest
    return GeneVectors(found, (right[:k] * largest).astype(np.float32))


def layer_sizes(net: CellModel, sizes: Sizes) -> Sizes:
    """Sizes with which the first layers of the model fit, as many as are asked for and it has."""
    c = net.config.encoder
    n_layer = min(sizes.n_layer, c.n_layer)
    if not n_layer:
        return sizes
    if n_layer < sizes.n_layer:
        logger.warning("the model has %d layers: n_layer=%d is too many", n_layer, sizes.n_layer)
    logger.info("%d Mamba layers of width %d start at those of the model", n_layer, c.d_model)
    names = ("pre_norm", "mlp_ratio", "d_state", "d_conv", "expand", "headdim", "ngroups")
    options = tuple((name, getattr(c, name)) for name in names)
    return replace(sizes, n_layer=n_layer, width=c.d_model, d_state=c.d_state, layers=options)


@torch.no_grad()
def start_layers(
    mixer: Mixer, net: CellModel, features: Sequence[Sequence[str]], kinds: Sequence[str]
) -> None:
    """Start Mamba layers at the first ones of the model, in place, and what they read of genes."""
    n_layer = len(mixer.stack.layers)
    if not n_layer or n_layer > len(net.stack.layers):
        return
    for own, theirs in zip(mixer.stack.layers, net.stack.layers, strict=False):
        own.load_state_dict({name: x.float().cpu() for name, x in theirs.state_dict().items()})
    for enter, names, kind in zip(mixer.enter, features, kinds, strict=True):
        if kind == "rna":
            assert isinstance(enter, nn.Linear)
            basis = torch.from_numpy(gene_vectors(net, names).basis)
            enter.weight.zero_()
            enter.weight[:, -len(basis) :] = basis.T


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
