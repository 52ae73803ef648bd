"""An integrating network trained in stages; every objective is on in each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba.learn.staged import BAG, FULL, train_staged
from scmamba.learn.training import IntegrationObjectives, IntegrationTraining
from scmamba.models.cell.model import CellModel
from scmamba.nn.heads import BatchDiscriminator, CountHead, MVCHead
from scmamba.stream import GeneSubsets
from scmamba.tasks._forward import forward
from scmamba.tasks._integration.criteria import Criteria, mixing
from scmamba.tasks._integration.decode import fit_of_cells
from scmamba.tasks._integration.matrix import ADVERSARY_RAMP, train_matrix
from scmamba.tasks._integration.network import Cells, compact, losses, rebuilds
from scmamba.tasks._integration.scaling import expression_scale, scale_latent
from scmamba.tasks._integration.statistics import init_batch_statistics, recompute_batch_statistics
from scmamba.train import FitResult, GeneSubsetEpochs, TrainConfig, check_objectives, train
from scmamba.train.budget import TimeBudget

CONFIG = TrainConfig(batch_size=128, weight_decay=0.02, warmup=0.05, clip=5.0, adversary_lr=2e-3)
"""Of every stage; rate, epochs, batch size, seed and time come from the training."""
_MASK_RATIO = 0.3
"""Fraction of the values that is hidden where ``gep`` or ``mvc`` predicts it."""
_FULL_RATE, _FULL_SUBSETS = 0.5, GeneSubsets(max_tokens=256)
"""With Mamba layers, whose steps are slow: factor of the rate, and fewer genes a cell."""
_FINETUNE_SUBSETS = GeneSubsets(max_tokens=600)
_BAG_TIME, _LEAST_MINUTES = 0.3, 1e-3
"""Fraction of the time for training without Mamba layers, where they follow; least time left."""
_HELD_OUT, _ENOUGH, _MOST_HELD = 0.1, 500, 2_000
"""Fraction of cells held out for the criteria, from how many cells on, and how many at most."""


@dataclass(frozen=True)
class Learned:
    """A model, and how it came about.

    Attributes
    ----------
    model
        The one to use.
    embedding
        (n_cells, d) all cells, embedded by ``model``.
    bag
        The same model before its Mamba layers came in.
    history
        Losses, one row an epoch, and the stage.
    criteria
        Of each stage, by name.
    time
        Time limit, time taken and what was cut; empty without a limit.
    """

    model: CellModel
    embedding: npt.NDArray[np.float32]
    bag: CellModel
    history: pd.DataFrame
    criteria: dict[str, Criteria]
    time: dict[str, Any]


@dataclass(frozen=True)
class NetworkTask:
    """What a network is trained on and how.

    Attributes
    ----------
    cells
        Cells to integrate.
    training
        Sizes, epochs and rate, without None but for ``n_layer``.
    objectives
        Weights of the objectives, without None.
    seed
        Of initial weights, held-out cells and batches.
    vectors
        (n_genes, k) vectors that a new network's genes start from; None: random ones.
    """

    cells: Cells
    training: IntegrationTraining
    objectives: IntegrationObjectives
    seed: int
    vectors: npt.NDArray[np.float32] | None = None

    @property
    def config(self) -> TrainConfig:
        """How the first stage is trained."""
        training = self.training
        assert training.epochs and training.learning_rate and training.batch_size
        return replace(
            CONFIG,
            epochs=training.epochs,
            lr=training.learning_rate,
            batch_size=training.batch_size,
            seed=self.seed,
            max_minutes=training.max_minutes,
        )

    @property
    def n_layer(self) -> int:
        """Mamba layers of a new network."""
        return (self.training.n_layer or 0) if self.training.mamba_epochs else 0


@dataclass(frozen=True)
class IntegrationStages:
    """Trains new networks stage by stage.

    Attributes
    ----------
    task
        Cells, sizes and objectives.
    rows
        Positions of the cells to learn from.
    budget
        Time that training may take.
    """

    task: NetworkTask
    rows: npt.NDArray[np.int64]
    budget: TimeBudget

    def build(self, n_layer: int) -> CellModel:
        """Make a network."""
        task = self.task
        model = compact(
            task.cells, task.training, task.objectives, n_layer, task.seed, task.vectors
        )
        if not n_layer:
            init_batch_statistics(model, task.cells)
        return model

    def train_stage(self, network: CellModel, stage: str) -> FitResult:
        """Train ``network``; with Mamba layers at a lower rate, on fewer genes and cells a step."""
        task, config, subsets = self.task, self.task.config, GeneSubsets()
        if stage != BAG:
            config = replace(
                config,
                epochs=task.training.mamba_epochs or 0,
                lr=config.lr * _FULL_RATE,
                batch_size=max(config.batch_size // 2, 1),
            )
            subsets = _FULL_SUBSETS
        budget = self.budget.part(_BAG_TIME if stage == BAG and task.n_layer else 1.0)
        return train_stage(
            network, task, self.rows, config, subsets, budget, text=stage, fresh=stage == BAG
        )


def learn(task: NetworkTask) -> Learned:
    """Train a new network: first as a bag of tokens, then with Mamba layers.

    Layers that were asked for stay; the criteria of both stages tell what they add.
    """
    train_rows, held = _split(len(task.cells.data), task.seed)
    budget = TimeBudget(task.training.max_minutes)
    staged = train_staged(IntegrationStages(task, train_rows, budget), task.n_layer)
    kept, embedding = staged.bag, _scaled(staged.bag, task)
    scores = {BAG: evaluate(kept, embedding, task.cells, held)}
    if task.n_layer:
        kept, embedding = staged.full, _scaled(staged.full, task)
        scores[FULL] = evaluate(kept, embedding, task.cells, held)
    return Learned(kept, embedding, staged.bag, staged.history, scores, budget.about)


def finetune(pretrained: CellModel, task: NetworkTask) -> Learned:
    """Fine-tune a pretrained model, whose new heads come with it, in one stage."""
    train_rows, held = _split(len(task.cells.data), task.seed)
    init_batch_statistics(pretrained, task.cells)
    budget = TimeBudget(task.training.max_minutes)
    result = train_stage(
        pretrained, task, train_rows, task.config, _FINETUNE_SUBSETS, budget, text="fine-tuning"
    )
    embedding = _scaled(pretrained, task)
    scores = {"fine-tuning": evaluate(pretrained, embedding, task.cells, held)}
    return Learned(pretrained, embedding, pretrained, result.history, scores, budget.about)


def evaluate(
    model: CellModel,
    embedding: npt.NDArray[np.float32],
    cells: Cells,
    held: npt.NDArray[np.int64],
) -> Criteria:
    """Score a model and its embedding of all cells, without labels; it did not see ``held``."""
    fit = np.zeros(0)
    if len(held) and (model.head(CountHead) is not None or model.head(MVCHead) is not None):
        fit = fit_of_cells(
            model, embedding[held], cells.target[held], cells.batch_ids[held], cells.genes
        )
    return Criteria(fit, mixing(embedding, cells.batch_ids))


def _scaled(model: CellModel, task: NetworkTask) -> npt.NDArray[np.float32]:
    """Embed all cells, (n_cells, d), once the latent of ``model`` is scaled.

    Distances then mean expression, where counts are decoded and no labels shape the latent. As
    the scale is linear, cells go through the model once.
    """
    cells = task.cells
    embedding = forward(model, cells.data).embedding
    if cells.values is None:
        return embedding
    scale = expression_scale(embedding, cells.values, cells.batch_ids)
    scale_latent(model, scale)
    return np.asarray(embedding @ scale, np.float32)


def _split(n: int, seed: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cells to learn from, and those held out: a fraction, but none where cells are few."""
    order = np.random.default_rng(seed).permutation(n)
    n_held = min(int(n * _HELD_OUT), _MOST_HELD) if n >= _ENOUGH else 0
    return np.sort(order[n_held:]), np.sort(order[:n_held])


def train_stage(
    model: CellModel,
    task: NetworkTask,
    rows: npt.NDArray[np.int64],
    config: TrainConfig,
    subsets: GeneSubsets,
    budget: TimeBudget,
    *,
    text: str,
    fresh: bool = True,
) -> FitResult:
    """Train ``model`` in place on the cells ``rows``.

    ``fresh`` says that the adversary has to be let in slowly.
    """
    cells, rebuilt = task.cells, rebuilds(task.objectives)
    on = check_objectives(losses(cells, task.objectives), tuple(model.heads))
    if model.config.is_bag and not rebuilt:
        result = train_matrix(
            model, cells.data, cells.counts, rows, on, subsets, config, budget, text=text
        )
    else:
        config = replace(
            config,
            mask_ratio=_MASK_RATIO if rebuilt else 0.0,
            max_minutes=budget.max_minutes and max(budget.max_minutes, _LEAST_MINUTES),
        )
        batches = GeneSubsetEpochs(
            cells.data,
            rows,
            subsets,
            config,
            counts=cells.counts,
            mask_value=model.config.encoder.mask_value,
        )
        watching = []
        if (discriminator := model.head(BatchDiscriminator)) is not None:
            from scmamba.train.callbacks import (
                Ramp,  # with Lightning, which takes seconds to import
            )

            when = ADVERSARY_RAMP if fresh else (-1.0, 0.0)
            watching.append(Ramp(discriminator.reversal, *when))
        result = train(model, batches, on, config, text=text, callbacks=watching)
    recompute_batch_statistics(model, cells.data)
    budget.extend(result.cuts)
    return FitResult(result.history.assign(stage=text), config.epochs)
