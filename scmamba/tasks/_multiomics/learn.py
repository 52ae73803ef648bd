"""A network made and trained: started at principal components, Mamba layers on request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from scmamba.learn.staged import BAG, FULL
from scmamba.learn.training import MultiomicsObjectives, MultiomicsTraining
from scmamba.models import CellModel
from scmamba.tasks._multiomics.background import Mixtures
from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.blocks import Block, Blocks
from scmamba.tasks._multiomics.coding import Coding, backgrounds
from scmamba.tasks._multiomics.network import MultiomicsNetwork, Order, Sizes
from scmamba.tasks._multiomics.order import ranks
from scmamba.tasks._multiomics.pretrained_genes import gene_vectors, start_labels
from scmamba.tasks._multiomics.start import starts
from scmamba.tasks._multiomics.trainer import MultiomicsTrainer, Views
from scmamba.train import TrainConfig
from scmamba.train.budget import TimeBudget

_PRIOR_CELLS = 10.0
_BAG_TIME = 0.3
_LAYER_VALUES = 256

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Recipe:
    """How a network is made and trained; see :class:`MultiomicsTraining`."""

    training: MultiomicsTraining
    objectives: MultiomicsObjectives
    order: Order
    seed: int
    start: CellModel | None = None

    @property
    def config(self) -> TrainConfig:
        """Settings of the training loop."""
        training = self.training
        assert training.epochs is not None and training.learning_rate is not None
        assert training.batch_size is not None
        return TrainConfig(
            epochs=training.epochs,
            lr=training.learning_rate,
            batch_size=training.batch_size,
            weight_decay=0.02,
            warmup=0.05,
            clip=5.0,
            adversary_lr=2e-3,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Learned:
    """A trained network.

    Attributes
    ----------
    network
        The network.
    codings
        Coding of each modality.
    history
        Losses, one row per epoch.
    bag
        The network before its Mamba layers came in; the same without any.
    """

    network: MultiomicsNetwork
    codings: tuple[Coding, ...]
    history: pd.DataFrame
    bag: MultiomicsNetwork


def learn(blocks: Blocks, n_batches: int, recipe: Recipe, budget: TimeBudget) -> Learned:
    """Train a network on all cells of ``blocks``."""
    codings = tuple(Coding.of(block, blocks.batch_ids, n_batches) for block in blocks.blocks)
    cells = Cells.of(blocks, codings)
    network, anchors = built(blocks, cells, codings, n_batches, recipe)
    cells = replace(cells, anchors=anchors)
    rows = np.flatnonzero(blocks.measured.any(1))
    layers, config = recipe.training.n_layer or 0, recipe.config
    first = budget.part(_BAG_TIME if layers else 1.0)
    result = MultiomicsTrainer(network, cells, rows, recipe.objectives, Views(), config, first).fit(
        "Training"
    )
    set_statistics(network, cells)
    histories, bag = [result.history.assign(stage=BAG)], network
    if layers and recipe.training.mamba_epochs:
        network = with_layers(bag, blocks, recipe)
        config = replace(
            config,
            epochs=recipe.training.mamba_epochs,
            lr=config.lr / 2,
            batch_size=max(config.batch_size // 4, 1),
        )
        views = Views(most=_LAYER_VALUES)
        result = MultiomicsTrainer(
            network, cells, rows, recipe.objectives, views, config, budget.part(1.0)
        ).fit("Training with Mamba layers")
        set_statistics(network, cells)
        histories.append(result.history.assign(stage=FULL))
    return Learned(network, codings, pd.concat(histories), bag)


def built(
    blocks: Blocks, cells: Cells, codings: tuple[Coding, ...], n_batches: int, recipe: Recipe
) -> tuple[MultiomicsNetwork, npt.NDArray[np.float32]]:
    """Make a network without layers from joint principal components; return both."""
    n_latent, seed = recipe.training.n_latent, recipe.seed
    further = [
        gene_vectors(recipe.start, block.features)
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


@torch.no_grad()
def set_statistics(network: MultiomicsNetwork, cells: Cells) -> None:
    """Give the norms of all encoders the exact statistics of the measured cells of each batch."""
    pooled, network_ids = pool(network, cells), torch.from_numpy(cells.blocks.batch_ids)
    for m, one in enumerate(pooled):
        there = torch.from_numpy(cells.blocks.blocks[m].measured)
        norm: Any = network.encoders[m].norm
        if there.any():
            norm.set_statistics(one[there], network_ids[there], _PRIOR_CELLS)


@torch.no_grad()
def pool(
    network: MultiomicsNetwork,
    cells: Cells,
    there: npt.NDArray[np.bool_] | None = None,
    block: int = 512,
) -> list[torch.Tensor]:
    """(n_cells, d) pooled vector of each modality, of those that are ``there``."""
    network.eval()
    size = block if network.mixer is None else 16
    parts = []
    for start in range(0, len(cells.blocks), size):
        rows = np.arange(start, min(start + size, len(cells.blocks)))
        seen = None if there is None else there[rows]
        parts.append(network.pool(cells.whole(rows, seen).values))
    return [torch.cat(one) for one in zip(*parts, strict=True)]


def with_layers(bag: MultiomicsNetwork, blocks: Blocks, recipe: Recipe) -> MultiomicsNetwork:
    """Copy with Mamba layers, which start as the identity."""
    training = recipe.training
    sizes = replace(
        bag.sizes, n_layer=training.n_layer or 0, d_state=training.d_state, width=training.width
    )
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = MultiomicsNetwork(sizes)
    network.load_state_dict(bag.state_dict(), strict=False)
    assert network.mixer is not None
    if (net := recipe.start) is not None:
        weight = network.mixer.modality.weight
        start_labels(net.modality_embedding, net.config.n_modalities, weight)
    network.mixer.rank.copy_(torch.from_numpy(ranks(blocks.blocks, recipe.order, recipe.seed)))
    return network
