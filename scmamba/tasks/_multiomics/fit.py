"""One fit of a multi-omics model: trained on some cells to be judged on others, then on all."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._log import logger
from scmamba.learn.latent_scale import induced_metric, scale_by
from scmamba.learn.reference import Reference
from scmamba.tasks._labels import Labels
from scmamba.tasks._multiomics.assemble import Modality, blocks_to_fit
from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.blocks import Block, Blocks
from scmamba.tasks._multiomics.learn import Learned, learn
from scmamba.tasks._multiomics.model import MultiomicsModel
from scmamba.tasks._multiomics.predictors import Predictors, fit_predictors, weigh_predictors
from scmamba.tasks._multiomics.reading import Input, Measured
from scmamba.tasks._multiomics.recipe import Recipe
from scmamba.tasks._multiomics.trained import Trained
from scmamba.train.budget import TimeBudget

_HELD, _MOST_HELD, _ENOUGH = 0.2, 2_000, 100
"""Fraction of the cells held out, the most of them, and the cells from which on any are."""
_REFIT = 20_000
"""Cells up to which the network is trained again on all of them."""
_TRIAL_TIME, _ONLY_TIME, _RESERVE = 0.4, 0.75, 0.1
"""Fractions of the time: for the first of two networks, for the only one, and for predictors that
were not fitted before."""
_LEAST_TIME = 0.8
"""Time of a second network, by that of the first, from which on it is trained."""


@dataclass(frozen=True)
class FitTask:
    """What is fitted.

    Attributes
    ----------
    given
        The cells.
    batch_names
        (n_cells,) batch of each cell; "" where none were given.
    labels
        Labels of some cells, or None.
    n_top_genes
        Genes to keep; None: all.
    recipe
        How the network is trained; its training may hold None.
    """

    given: Input
    batch_names: npt.NDArray[np.object_]
    labels: Labels | None
    n_top_genes: int | None
    recipe: Recipe

    def fit(self) -> MultiomicsModel:
        """Fit the model; cells count in the order of their names, whatever order they are in."""
        budget = TimeBudget(self.recipe.training.max_minutes)
        batches = tuple(sorted(set(self.batch_names.tolist())))
        place = {name: i for i, name in enumerate(batches)}
        ids = np.array([place[name] for name in self.batch_names], np.int64)
        order = np.argsort(np.array(self.given.obs.index, dtype=str), kind="stable")
        whole = blocks_to_fit(self.given, ids, self.n_top_genes).take(order)
        recipe = replace(self.recipe, training=self.recipe.training.for_n(len(whole)))
        if recipe.training.n_layer and recipe.order == "genome":
            _say_places(whole)
        held = held_out(whole, recipe.seed)
        final, weighed = _learned(whole, held, len(batches), recipe, budget)
        trained = Trained(final.network, final.codings)
        found = fit_predictors(whole, trained, weighed, recipe)
        back = np.argsort(order)
        cells = trained.cells(whole)
        latent = trained.embed(cells).mean
        scale = _scale(latent, cells)
        codes = None if self.labels is None else self.labels.codes
        return MultiomicsModel(
            trained=trained,
            modalities=tuple(
                _known(b, one) for b, one in zip(whole.blocks, self.given.modalities, strict=True)
            ),
            batches=batches,
            classes=() if self.labels is None else self.labels.classes,
            reference=Reference.of((latent @ scale)[back], ids, codes, recipe.seed),
            scale=scale,
            imputers=found.imputers,
            peaks=found.peaks,
            order=recipe.order,
            about={
                **self._about(whole, len(held), found, recipe, final.network.sizes.n_layer),
                **budget.about,
            },
            history=final.history,
            without_layers=None
            if final.bag is final.network
            else Trained(final.bag, final.codings),
        )

    def _about(
        self, whole: Blocks, n_held: int, predictors: Predictors, recipe: Recipe, n_layer: int
    ) -> dict[str, Any]:
        reliability, given = {}, [*enumerate(sorted(set(self.batch_names.tolist())))]
        n_batches = len(given)
        covered = [block.covered_in(whole.batch_ids, n_batches).sum(1) for block in whole.blocks]
        for m, block in enumerate(whole.blocks):
            found = predictors.peaks.get(m) or predictors.imputers.get(m)
            if found is not None and np.isfinite(found.reliability).any():
                reliability[block.name] = float(np.nanmean(found.reliability))
        return {
            "seed": recipe.seed,
            "started_at": _started_at(recipe, n_layer),
            "order": recipe.order,
            "mamba_layers": n_layer,
            "n_held_out": n_held,
            "measured": {block.name: int(block.measured.sum()) for block in whole.blocks},
            "measured_by_batch": {
                name: {
                    block.name: int(block.measured[whole.batch_ids == i].sum())
                    for block in whole.blocks
                }
                for i, name in given
                if name
            },
            "measured_features_by_batch": {
                name: {
                    block.name: int(n[i]) for block, n in zip(whole.blocks, covered, strict=True)
                }
                for i, name in given
                if name
            },
            "n_features": {block.name: len(block.features) for block in whole.blocks},
            "units": {one.name: one.unit for one in self.given.modalities},
            "imputer_weights": {
                whole.names[m]: dict(
                    zip(("neural", "ridge", "neighbors"), one.weights, strict=True)
                )
                for m, one in predictors.imputers.items()
            },
            "reliability": reliability,
            "objectives": asdict(recipe.objectives),
        }


def _learned(
    whole: Blocks,
    held: npt.NDArray[np.int64],
    n_batches: int,
    recipe: Recipe,
    budget: TimeBudget,
) -> tuple[Learned, Predictors]:
    """Train without held-out cells, weigh predictors on these, and train on all cells.

    Predictors are fitted again after the last network: the time that takes is kept back. Where
    little else is left, the first network stays.
    """
    weighed, reserve = Predictors(), _RESERVE * budget.seconds_left
    if len(held):
        kept = whole.take(np.setdiff1d(np.arange(len(whole)), held))
        again, start = len(whole) <= _REFIT, budget.seconds_used
        part = budget.part(_TRIAL_TIME if again else _ONLY_TIME)
        trial = learn(kept, n_batches, recipe, part, text="trial")
        judge, end = Trained(trial.network, trial.codings), budget.seconds_used
        fitted = fit_predictors(kept, judge, Predictors(), recipe)
        reserve = budget.seconds_used - end
        weighed = weigh_predictors(fitted, judge, whole.take(held), recipe)
        if not again:
            return trial, weighed
        if budget.seconds_left - reserve < _LEAST_TIME * (end - start):
            budget.cut("networks", 1, 2)
            return trial, weighed
    part = budget.part(1.0, reserve)
    return learn(whole, n_batches, recipe, part, text="training"), weighed


def _known(block: Block, one: Measured) -> Modality:
    shown = dict(zip(one.features, one.shown, strict=True))
    names = tuple(shown[name] for name in block.features)
    return Modality(block.name, block.kind, block.features, names, one.unit, one.factor)


def _started_at(recipe: Recipe, n_layer: int) -> str:
    """Say what the network started at."""
    net = recipe.start
    if net is None:
        return "principal components"
    taken = "genes and Mamba layers" if n_layer and net.config.encoder.n_layer else "genes"
    return f"principal components and {taken} of {net.name or 'a pretrained model'}"


def _say_places(whole: Blocks) -> None:
    """Say that genes have no place among peaks, where that is so."""
    kinds = [block.kind for block in whole.blocks]
    if "atac" in kinds and any(b.kind == "rna" and b.places is None for b in whole.blocks):
        logger.warning(
            "genome order: var of RNA does not say where genes are, so they stand before the "
            "peaks; give its columns chrom, start and end, or interval (chr1:100-200)"
        )


def _scale(latent: npt.NDArray[np.float32], cells: Cells) -> npt.NDArray[np.float32]:
    """(d, d) by which the latent is multiplied: distances are those of all modalities.

    Each modality counts by the fraction of its variance that the latent explains.
    """
    batch_ids = cells.blocks.batch_ids
    metrics = [
        induced_metric(latent[block.rows], values[block.rows], batch_ids[block.rows])
        for block, values in zip(cells.blocks.blocks, cells.values, strict=True)
    ]
    return scale_by(metrics, latent, batch_ids).astype(np.float32)


def held_out(whole: Blocks, seed: int) -> npt.NDArray[np.int64]:
    """Positions of some cells with most modalities, which are not learned from at first."""
    n_modalities = whole.measured.sum(1)
    rich = np.flatnonzero(n_modalities >= min(2, whole.measured.shape[1]))
    if len(rich) < _ENOUGH:
        logger.info("fewer than %d cells with two modalities: none are held out", _ENOUGH)
        return np.zeros(0, np.int64)
    n = min(int(_HELD * len(rich)), _MOST_HELD)
    return np.sort(np.random.default_rng(seed).choice(rich, n, replace=False))
