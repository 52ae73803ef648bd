"""Ways to a deep view: from scratch, by a head on frozen embeddings, or by fine-tuning."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from scmamba.models.cell.model import CellModel
from scmamba.nn.heads import ClassHead
from scmamba.nn.lora import add_lora, merge_lora
from scmamba.stream.data import CellData
from scmamba.tasks._annotation.deep import (
    SMOOTHING,
    WEIGHT_POWER,
    Recipe,
    Stages,
    train_compact,
)
from scmamba.tasks._annotation.linear import fit_linear
from scmamba.tasks._annotation.views import Deep
from scmamba.tasks._forward import forward
from scmamba.train import CLS, FitConfig, class_weights, fit

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Trained:
    """A deep view, and what training it showed.

    Attributes
    ----------
    deep
        The view.
    without
        The same without Mamba layers, where there is such a thing.
    history
        Training curve; empty where nothing was trained.
    epochs
        Best epoch of each stage.
    """

    deep: Deep
    without: Deep | None
    history: pd.DataFrame
    epochs: tuple[int, ...]


class Learner(Protocol):
    """Learns a deep view from some cells of ``data``.

    Attributes
    ----------
    data
        All cells.
    n_members
        Models to average in the end.
    spread
        Whether fits are small enough to run side by side.
    """

    data: CellData
    n_members: int
    spread: bool

    def learn(self, train: Rows, val: Rows | None, text: str, member: int = 0) -> Trained:
        """Learn from ``train``; ``val`` chooses the epoch, ``member`` changes the seed."""

    def settle(self, epochs: list[tuple[int, ...]], keep_layers: bool) -> None:
        """Take over what the folds have shown, for the last fit on all labelled cells."""


class FromScratch:
    """A compact model, pretrained on all given cells, then trained in stages.

    Parameters
    ----------
    start
        The pretrained compact model.
    data
        All cells, with labels.
    n_classes
        Number of classes.
    recipe
        Sizes and epochs.
    """

    def __init__(self, start: CellModel, data: CellData, n_classes: int, recipe: Recipe) -> None:
        self.start, self.data, self.n_classes, self.recipe = start, data, n_classes, recipe
        self.n_members = recipe.n_members
        self.spread = next(start.parameters()).device.type == "cpu"

    def learn(self, train: Rows, val: Rows | None, text: str, member: int = 0) -> Trained:
        """Both stages."""
        config = replace(self.recipe.config, seed=self.recipe.config.seed + 7919 * member)
        recipe = replace(self.recipe, config=config)
        got: Stages = train_compact(self.start, self.data, train, val, self.n_classes, recipe, text)
        without = None if got.bag is got.model else Deep((got.bag,))
        return Trained(Deep((got.model,)), without, got.history, (got.bag_epochs, got.epochs))

    def settle(self, epochs: list[tuple[int, ...]], keep_layers: bool) -> None:
        """Median of the best epochs; no Mamba layers where they lost on held-out cells."""
        bag, layers = np.median(epochs, axis=0).round().astype(int).tolist()
        self.recipe = replace(
            self.recipe, bag_epochs=max(bag, 1), epochs=max(layers, 1) if keep_layers else 0
        )


class Probe:
    """Logistic regression on the frozen embeddings of a pretrained model."""

    n_members = 1
    spread = False

    def __init__(self, model: CellModel, data: CellData, n_classes: int) -> None:
        self.model, self.data, self.n_classes = model, data, n_classes
        self._embedding = forward(model, data).embedding

    def learn(self, train: Rows, val: Rows | None, text: str, member: int = 0) -> Trained:
        """Fit the head; there are no epochs to choose."""
        assert self.data.labels is not None
        codes = self.data.labels[train]
        head = fit_linear(self._embedding[train], codes, self.n_classes, standardise=True, C=0.1)
        return Trained(Deep((self.model,), head), None, pd.DataFrame(), ())

    def settle(self, epochs: list[tuple[int, ...]], keep_layers: bool) -> None:
        """Nothing to settle."""


class Finetune:
    """All weights of a pretrained model, or low-rank parts of its projections, on labels.

    Parameters
    ----------
    model
        Pretrained; left as it is.
    data
        All cells, with labels.
    n_classes
        Number of classes.
    config
        Rates, epochs, seed.
    lora
        Train low-rank parts and the head alone.
    """

    n_members = 1
    spread = False

    def __init__(
        self, model: CellModel, data: CellData, n_classes: int, config: FitConfig, lora: bool
    ) -> None:
        self.model, self.data, self.n_classes = model, data, n_classes
        self.config, self.lora = config, lora

    def learn(self, train: Rows, val: Rows | None, text: str, member: int = 0) -> Trained:
        """Train a copy with a new class head."""
        assert self.data.labels is not None
        model = self._copy()
        weights = class_weights(self.data.labels[train], self.n_classes, WEIGHT_POWER)
        objectives = [CLS(1.0, weights, SMOOTHING)]
        result = fit(model, self.data, train, objectives, self.config, val_rows=val, text=text)
        if self.lora:
            merge_lora(model)
        return Trained(Deep((model,)), None, result.history, (result.best_epoch,))

    def settle(self, epochs: list[tuple[int, ...]], keep_layers: bool) -> None:
        """Median of the best epochs."""
        median = int(np.median([best for (best,) in epochs]).round())
        self.config = replace(self.config, epochs=max(median, 1))

    def _copy(self) -> CellModel:
        model = copy.deepcopy(self.model)
        config = model.config
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            head = ClassHead(config.d_model, self.n_classes, n_layer=config.class_layers)
            model.config = config.replace(n_classes=self.n_classes)
            model.class_head = head.to(next(model.parameters()).device)
            if self.lora:
                add_lora(model.stack)
        if self.lora:
            for part in (model.gene_embedding, model.value_embedding):
                part.requires_grad_(False)
        return model
