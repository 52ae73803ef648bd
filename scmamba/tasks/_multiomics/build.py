"""New networks: started at principal components, or at a trained one with Mamba layers added."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scmamba.tasks._multiomics.background import Mixtures
from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.blocks import Block, Blocks
from scmamba.tasks._multiomics.coding import Coding, backgrounds
from scmamba.tasks._multiomics.network import MultiomicsNetwork
from scmamba.tasks._multiomics.order import ranks
from scmamba.tasks._multiomics.pretrained_start import (
    gene_vectors,
    layer_sizes,
    start_labels,
    start_layers,
)
from scmamba.tasks._multiomics.recipe import Recipe
from scmamba.tasks._multiomics.sizes import Sizes
from scmamba.tasks._multiomics.start import starts
from scmamba.tasks._multiomics.statistics import set_statistics

Ints = npt.NDArray[np.int64]


def built(
    blocks: Blocks, cells: Cells, codings: tuple[Coding, ...], n_batches: int, recipe: Recipe
) -> tuple[MultiomicsNetwork, npt.NDArray[np.float32]]:
    """Make a network without layers from joint principal components; return both."""
    n_latent, seed = recipe.training.n_latent, recipe.seed
    further = [
        gene_vectors(recipe.start, block.features).loadings
        if recipe.start is not None and block.kind == "rna"
        else None
        for block in blocks.blocks
    ]
    found, anchors = starts(
        blocks.blocks, codings, cells.values, blocks.batch_ids, n_latent, seed, further
    )
    sizes = Sizes(
        kinds=tuple(block.kind for block in blocks.blocks),
        n_features=tuple(len(block.features) for block in blocks.blocks),
        d_model=tuple(one.loadings.shape[1] for one in found),
        n_latent=n_latent,
        n_batches=n_batches,
    )
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = MultiomicsNetwork(sizes)
    net = recipe.start
    if net is not None and network.batch is not None:
        start_labels(net.batch_embedding, net.config.n_batches, network.batch.weight)
    for m, one in enumerate(found):
        encoder: Any = network.encoders[m]
        encoder.start(*map(torch.from_numpy, (one.loadings, one.linear, one.log_var)))
        # A vector for each of thousands of peaks would remember the cells that it was learned on.
        encoder.embedding.requires_grad_(blocks.blocks[m].kind != "atac")
        network.decoder(m).set_loadings(torch.from_numpy(one.loadings))
        totals, mixtures = _totals(blocks.blocks[m], blocks.batch_ids, n_batches)
        parts = (mixtures.background, mixtures.signal, mixtures.share)
        network.decoder(m).start(
            torch.from_numpy(totals).float(), *(torch.from_numpy(p).float() for p in parts)
        )
    set_statistics(network, cells)
    return network, anchors


def _totals(
    block: Block, batch_ids: Ints, n_batches: int
) -> tuple[npt.NDArray[np.float64], Mixtures]:
    """Return counts by batch, and components of proteins; of peaks, numbers of cells."""
    groups = [np.flatnonzero(block.measured & (batch_ids == b)) for b in range(n_batches)]
    totals = np.stack([np.asarray(block.X[rows].sum(0)).ravel() for rows in groups])
    number = np.array([[len(rows)] for rows in groups], float)
    if not all(number):
        # A batch without this modality starts where the others are on average.
        some = number[:, 0] == 0
        totals[some], number[some] = totals.sum(0) / max(number.sum(), 1), 1
    if block.kind == "prot":
        return totals, backgrounds(block, batch_ids, n_batches)
    return totals, Mixtures(number, number, number)


def with_layers(bag: MultiomicsNetwork, blocks: Blocks, recipe: Recipe) -> MultiomicsNetwork:
    """Copy with Mamba layers; of a pretrained model, where one starts the fit."""
    training, net = recipe.training, recipe.start
    sizes = replace(
        bag.sizes, n_layer=training.n_layer or 0, d_state=training.d_state, width=training.width
    )
    if net is not None:
        sizes = layer_sizes(net, sizes)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = MultiomicsNetwork(sizes)
    network.load_state_dict(bag.state_dict(), strict=False)
    assert network.mixer is not None
    if net is not None:
        weight = network.mixer.modality.weight
        start_labels(net.modality_embedding, net.config.n_modalities, weight)
        start_layers(network.mixer, net, [block.features for block in blocks.blocks], sizes.kinds)
    network.mixer.rank.copy_(torch.from_numpy(ranks(blocks.blocks, recipe.order, recipe.seed)))
    return network
