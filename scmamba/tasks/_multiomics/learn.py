"""A network made and trained: started at principal components, Mamba layers on request."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scmamba.learn.staged import BAG, FULL
from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.blocks import Blocks
from scmamba.tasks._multiomics.build import built, with_layers
from scmamba.tasks._multiomics.coding import Coding
from scmamba.tasks._multiomics.network import MultiomicsNetwork
from scmamba.tasks._multiomics.recipe import Recipe
from scmamba.tasks._multiomics.statistics import set_statistics
from scmamba.tasks._multiomics.trainer import MultiomicsTrainer, Views
from scmamba.train.budget import TimeBudget

_BAG_TIME = 0.3
_LAYER_VALUES = 256


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


def learn(
    blocks: Blocks, n_batches: int, recipe: Recipe, budget: TimeBudget, *, text: str
) -> Learned:
    """Train a network on all cells of ``blocks``; ``text`` names it where time cuts it short."""
    codings = tuple(Coding.of(block, blocks.batch_ids, n_batches) for block in blocks.blocks)
    cells = Cells.of(blocks, codings)
    network, anchors = built(blocks, cells, codings, n_batches, recipe)
    cells = replace(cells, anchors=anchors)
    rows = np.flatnonzero(blocks.measured.any(1))
    layers, config = recipe.training.n_layer or 0, recipe.config
    first = budget.part(_BAG_TIME if layers else 1.0)
    result = MultiomicsTrainer(network, cells, rows, recipe.objectives, Views(), config, first).fit(
        text
    )
    budget.extend(result.cuts)
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
        ).fit(f"{text} with Mamba layers")
        budget.extend(result.cuts)
        set_statistics(network, cells)
        histories.append(result.history.assign(stage=FULL))
    return Learned(network, codings, pd.concat(histories), bag)
