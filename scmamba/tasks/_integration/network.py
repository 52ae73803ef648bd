"""The integrating model: made, trained in stages, with the statistics of every batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy import sparse

from scmamba.learn.staged import BAG, FULL, train_staged
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.model import CellModel
from scmamba.models.device import resolve_device
from scmamba.nn.heads import BatchDiscriminator, CountHead, MVCHead
from scmamba.nn.norm import DomainBatchNorm
from scmamba.stream import TOKEN_BUDGET, CellBatches, CellData
from scmamba.tasks._forward import forward
from scmamba.tasks._integration.criteria import Criteria, mixing
from scmamba.tasks._integration.decode import fit_of_cells
from scmamba.tasks._integration.matrix import ADVERSARY_RAMP, train_matrix
from scmamba.tasks._integration.recipe import Recipe
from scmamba.train import (
    CLS,
    DAB,
    ECS,
    GEP,
    KL,
    MVC,
    NB,
    Contrast,
    FitResult,
    GeneSubsetEpochs,
    Objective,
    SupCon,
    TrainConfig,
    check_objectives,
    class_weights,
    train,
)
from scmamba.train.budget import TimeBudget

GENE_SCALE = 0.1
"""Standard deviation of new gene vectors: small ones are moved by what is learned."""
PRIOR_CELLS = 10.0
"""How many cells like the mean batch each batch is believed to have beside its own."""
_CLASS_POWER = 0.5
_BAG_TIME, _LEAST_MINUTES = 0.3, 1e-3
"""Fraction of the time for training without Mamba layers, where they follow; least time left."""
_ENOUGH, _MOST_HELD = 500, 2_000
"""Cells from which on some are held out, and how many at most."""


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
    genes
        (n_genes,) vocabulary ids of the genes that are decoded in bins; None for counts.
    """

    data: CellData
    counts: sparse.csr_matrix | None
    n_batches: int
    n_classes: int = 0

    genes: npt.NDArray[np.int64] | None = None

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


def heads(cells: Cells, recipe: Recipe) -> dict[str, Any]:
    """Fields of the configuration that make a cell model an integrating one."""
    weights, n = recipe.weights, cells.n_batches
    rebuilt = weights.gep > 0 or weights.mvc > 0
    return {
        "cell_norm": "per_batch",
        "n_latent": recipe.n_latent,
        "n_counts": 0 if cells.counts is None else cells.counts.shape[1],
        "n_batches": n,
        "n_modalities": 0,
        "batch_labels": True,
        "adversary": weights.dab > 0,
        "n_classes": cells.n_classes if weights.cls > 0 else 0,
        "class_layers": 1,
        "expression": weights.gep > 0,
        "mvc": weights.mvc > 0,
        "explicit_zero": recipe.explicit_zero and rebuilt,
    }


def compact(cells: Cells, recipe: Recipe, n_layer: int) -> CellModel:
    """A new model of the genes of these cells; 0 layers make a bag of tokens."""
    config = CellConfig.of(
        n_genes=len(cells.data.vocab),
        d_model=recipe.d_model,
        n_layer=n_layer,
        d_state=recipe.d_state,
        value_type="bins" if cells.data.tokens.values.dtype.kind in "iu" else "lognorm",
        value_encoding="product",
        gene_norm=False,
        input_norm="none",
        pool="mean",
        pool_masked=False,
        **heads(cells, recipe),
    )
    with torch.random.fork_rng():
        torch.manual_seed(recipe.config.seed)
        model = CellModel(config)
        with torch.no_grad():
            model.gene_embedding.embedding.weight.mul_(GENE_SCALE)
    model.vocab = cells.data.vocab
    return model.to(resolve_device())


def objectives(cells: Cells, recipe: Recipe) -> list[Objective[Any, Any]]:
    """The objectives of a recipe; those that these cells cannot have are off."""
    w, labels = recipe.weights, cells.data.labels
    by_class: tuple[float, ...] = ()
    if labels is not None and cells.n_classes:
        by_class = class_weights(labels, cells.n_classes, _CLASS_POWER)
    return [
        NB(w.nb if cells.counts is not None else 0),
        KL(w.kl),
        Contrast(w.contrast, recipe.temperature),
        DAB(w.dab, class_weights(cells.batch_ids, cells.n_batches, 1.0)),
        ECS(w.ecs, recipe.ecs_threshold),
        GEP(w.gep),
        MVC(w.mvc),
        CLS(w.cls if cells.n_classes else 0, by_class),
        SupCon(w.supcon if cells.n_classes else 0, recipe.temperature),
    ]


@dataclass(frozen=True)
class Learned:
    """A model, and how it came about.

    Attributes
    ----------
    model
        The one to use.
    bag
        The same before its Mamba layers came in.
    history
        Losses, one row an epoch, and the stage.
    criteria
        Of each stage, by name.
    time
        Time limit, time taken and what was cut; empty without a limit.
    """

    model: CellModel
    bag: CellModel
    history: pd.DataFrame
    criteria: dict[str, Criteria]
    time: dict[str, Any]


@dataclass(frozen=True)
class IntegrationStages:
    """Trains integrating models stage by stage; every objective is on in both stages.

    Attributes
    ----------
    cells
        Cells to integrate.
    rows
        Positions of those to learn from.
    recipe
        Sizes, epochs and objectives.
    budget
        Time that training may take.
    """

    cells: Cells
    rows: npt.NDArray[np.int64]
    recipe: Recipe
    budget: TimeBudget

    def build(self, n_layer: int) -> CellModel:
        """A new model."""
        model = compact(self.cells, self.recipe, n_layer)
        if not n_layer:
            init_batch_statistics(model, self.cells)
        return model

    def train_stage(self, network: CellModel, stage: str) -> FitResult:
        """Train ``network``; with Mamba layers at a lower rate, on fewer genes and cells a step."""
        recipe, config = self.recipe, replace(self.recipe.config, epochs=self.recipe.bag_epochs)
        if stage != BAG:
            config = replace(
                config,
                epochs=recipe.epochs,
                lr=config.lr * recipe.layer_share,
                batch_size=max(config.batch_size // 2, 1),
            )
            subsets = replace(recipe.subsets, max_tokens=recipe.layer_tokens)
            recipe = replace(recipe, subsets=subsets)
        both = stage == BAG and recipe.n_layer and recipe.epochs
        budget = self.budget.part(_BAG_TIME if both else 1.0)
        fresh = stage == BAG
        history = train_stage(
            network, self.cells, self.rows, recipe, config, budget, text=stage, fresh=fresh
        )
        return FitResult(history, config.epochs)


def learn(cells: Cells, recipe: Recipe) -> Learned:
    """Train a new model: first as a bag of tokens, then with Mamba layers.

    Layers that were asked for stay; the criteria of both stages tell what they add.
    """
    train_rows, held = _split(len(cells.data), recipe)
    n_layer = recipe.n_layer if recipe.epochs else 0
    budget = TimeBudget(recipe.config.max_minutes)
    staged = train_staged(IntegrationStages(cells, train_rows, recipe, budget), n_layer)
    scores = {BAG: evaluate(staged.bag, cells, held)}
    kept = staged.bag
    if n_layer:
        scores[FULL] = evaluate(staged.full, cells, held)
        kept = staged.full
    return Learned(kept, staged.bag, staged.history, scores, budget.about)


def finetune(pretrained: CellModel, cells: Cells, recipe: Recipe) -> Learned:
    """Fine-tune a pretrained model, whose new heads come with it, in one stage."""
    train_rows, held = _split(len(cells.data), recipe)
    init_batch_statistics(pretrained, cells)
    config = replace(recipe.config, epochs=recipe.bag_epochs)
    budget = TimeBudget(config.max_minutes)
    history = train_stage(pretrained, cells, train_rows, recipe, config, budget, text="fine-tuning")
    scores = {"fine-tuning": evaluate(pretrained, cells, held)}
    return Learned(pretrained, pretrained, history, scores, budget.about)


def evaluate(model: CellModel, cells: Cells, held: npt.NDArray[np.int64]) -> Criteria:
    """What the model is worth by what needs no label; ``held`` are cells that it did not see."""
    embedding = forward(model, cells.data).embedding
    fit = np.zeros(0)
    if len(held) and (model.head(CountHead) is not None or model.head(MVCHead) is not None):
        fit = fit_of_cells(
            model, embedding[held], cells.target[held], cells.batch_ids[held], cells.genes
        )
    return Criteria(fit, mixing(embedding, cells.batch_ids))


def _split(n: int, recipe: Recipe) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cells to learn from, and those held out: a share, but none where cells are few."""
    order = np.random.default_rng(recipe.config.seed).permutation(n)
    n_held = min(int(n * recipe.held_out), _MOST_HELD) if n >= _ENOUGH else 0
    return np.sort(order[n_held:]), np.sort(order[:n_held])


def train_stage(
    model: CellModel,
    cells: Cells,
    rows: npt.NDArray[np.int64],
    recipe: Recipe,
    config: TrainConfig,
    budget: TimeBudget,
    *,
    text: str,
    fresh: bool = True,
) -> pd.DataFrame:
    """Train ``model`` in place on ``rows``; return the losses by epoch.

    ``fresh`` says that the adversary has to be let in slowly.
    """
    on = check_objectives(objectives(cells, recipe), tuple(model.heads))
    rebuilt = recipe.weights.gep > 0 or recipe.weights.mvc > 0
    if model.config.is_bag and not rebuilt:
        result = train_matrix(
            model, cells.data, cells.counts, rows, on, recipe.subsets, config, budget, text=text
        )
        return _trained(model, cells, result, budget, text)
    config = replace(
        config,
        mask_ratio=recipe.mask_ratio if rebuilt else 0.0,
        max_minutes=budget.max_minutes and max(budget.max_minutes, _LEAST_MINUTES),
    )
    batches = GeneSubsetEpochs(
        cells.data,
        rows,
        recipe.subsets,
        config,
        counts=cells.counts,
        mask_value=model.config.encoder.mask_value,
    )
    watching = []
    if (discriminator := model.head(BatchDiscriminator)) is not None:
        from scmamba.train.callbacks import Ramp  # with Lightning, which takes seconds to import

        when = ADVERSARY_RAMP if fresh else (-1.0, 0.0)
        watching.append(Ramp(discriminator.reversal, *when))
    result = train(model, batches, on, config, text=text, callbacks=watching)
    return _trained(model, cells, result, budget, text)


def _trained(
    model: CellModel, cells: Cells, result: FitResult, budget: TimeBudget, stage: str
) -> pd.DataFrame:
    """Recompute the batches' statistics; return the losses of a stage and note what was cut."""
    recompute_batch_statistics(model, cells.data)
    budget.extend(result.cuts)
    return result.history.assign(stage=stage)


def recompute_batch_statistics(model: CellModel, data: CellData) -> None:
    """Norm every batch by the statistics of all its cells, in place of the running ones."""
    assert isinstance(model.cell_norm, DomainBatchNorm) and data.batch_ids is not None
    ids = torch.from_numpy(data.batch_ids)
    device = next(model.parameters()).device
    model.cell_norm.set_statistics(pooled(model, data).to(device), ids.to(device), PRIOR_CELLS)


@torch.inference_mode()
def pooled(model: CellModel, data: CellData) -> torch.Tensor:
    """(n_cells, d_model) cells before the norm of their batch, on the CPU."""
    model.eval()
    device = next(model.parameters()).device
    found = torch.zeros(len(data), model.config.encoder.d_model)
    for batch in CellBatches(data, np.arange(len(data)), token_budget=TOKEN_BUDGET):
        on = batch.to(device)
        one = model.pooled(on.gene_ids, on.values, on.padding_mask, on.batch_ids)
        found[batch.rows] = one.float().cpu()
    return found


def init_batch_statistics(model: CellModel, cells: Cells) -> None:
    """Start from the statistics and the mean counts of every batch."""
    recompute_batch_statistics(model, cells.data)
    head = model.head(CountHead)
    if cells.counts is None or head is None:
        return
    ids = cells.batch_ids
    totals = [np.asarray(cells.counts[ids == i].sum(0)).ravel() for i in range(cells.n_batches)]
    head.set_background(torch.from_numpy(np.stack(totals)).float())
