"""One fit of a multi-omics model: trained on some cells to be judged on others, then on all."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._log import logger
from scmamba.learn.reference import Reference
from scmamba.tasks._labels import Labels
from scmamba.tasks._multiomics.assemble import Modality, blocks_to_fit
from scmamba.tasks._multiomics.blocks import Block, Blocks
from scmamba.tasks._multiomics.hidden_peaks import fit_weights
from scmamba.tasks._multiomics.imputer import Imputer, fit_imputer, validated
from scmamba.tasks._multiomics.learn import Learned, Recipe, learn
from scmamba.tasks._multiomics.model import MultiomicsModel
from scmamba.tasks._multiomics.peaks import PeakModel, start_peaks
from scmamba.tasks._multiomics.predict import decode_hidden
from scmamba.tasks._multiomics.reading import Input, Measured
from scmamba.tasks._multiomics.trained import Trained
from scmamba.train.budget import TimeBudget

_HELD, _MOST_HELD, _ENOUGH = 0.2, 2_000, 100
"""Fraction of the cells held out, the most of them, and the cells from which on any are."""
_REFIT = 20_000
"""Cells up to which the network is trained again on all of them."""
_TRIAL_TIME = 0.45


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
        batches = tuple(sorted(set(self.batch_names.tolist())))
        place = {name: i for i, name in enumerate(batches)}
        ids = np.array([place[name] for name in self.batch_names], np.int64)
        order = np.argsort(np.array(self.given.obs.index, dtype=str), kind="stable")
        whole = blocks_to_fit(self.given, ids, self.n_top_genes).take(order)
        recipe = replace(self.recipe, training=self.recipe.training.for_n(len(whole)))
        budget = TimeBudget(recipe.training.max_minutes)
        held = held_out(whole, recipe.seed)
        trial = None
        if len(held):
            kept = np.setdiff1d(np.arange(len(whole)), held)
            trial = learn(whole.take(kept), len(batches), recipe, budget.part(_TRIAL_TIME))
        if trial is None or len(whole) <= _REFIT:
            final = learn(whole, len(batches), recipe, budget.part(1.0))
        else:
            final = trial
        trained = Trained(final.network, final.codings)
        imputers, peaks = self._predictors(whole, held, trial, trained, recipe)
        back = np.argsort(order)
        embedding = trained.embed(trained.cells(whole)).mean[back]
        codes = None if self.labels is None else self.labels.codes
        return MultiomicsModel(
            trained=trained,
            modalities=tuple(
                _known(b, one) for b, one in zip(whole.blocks, self.given.modalities, strict=True)
            ),
            batches=batches,
            classes=() if self.labels is None else self.labels.classes,
            reference=Reference.of(embedding, ids, codes, recipe.seed),
            imputers=imputers,
            peaks=peaks,
            order=recipe.order,
            about=self._about(whole, held, imputers, peaks, recipe, batches),
            history=final.history,
            without_layers=None
            if final.bag is final.network
            else Trained(final.bag, final.codings),
        )

    def _predictors(
        self,
        whole: Blocks,
        held: npt.NDArray[np.int64],
        trial: Learned | None,
        trained: Trained,
        recipe: Recipe,
    ) -> tuple[dict[int, Imputer], dict[int, PeakModel]]:
        """Imputers of all modalities, weighed by the trial on held-out cells."""
        imputers: dict[int, Imputer] = {}
        peaks: dict[int, PeakModel] = {}
        cells, seed = trained.cells(whole), recipe.seed
        judge = None if trial is None else Trained(trial.network, trial.codings)
        kept = whole.take(np.setdiff1d(np.arange(len(whole)), held))
        unseen = whole.take(held)
        for m, block in enumerate(whole.blocks):
            if block.kind == "atac":
                peaks[m] = start_peaks(block, recipe.order, seed)
                if judge is not None:
                    peaks[m] = _weighed(peaks[m], judge, kept, unseen, m, recipe)
                continue
            imputer = fit_imputer(trained, cells, m, seed)
            if imputer is None:
                continue
            if judge is not None:
                tried = fit_imputer(judge, judge.cells(kept), m, seed)
                if tried is not None:
                    tried = validated(tried, judge, judge.cells(unseen))
                    imputer = replace(imputer, weights=tried.weights, reliability=tried.reliability)
            imputers[m] = imputer
        return imputers, peaks

    def _about(
        self,
        whole: Blocks,
        held: npt.NDArray[np.int64],
        imputers: dict[int, Imputer],
        peaks: dict[int, PeakModel],
        recipe: Recipe,
        batches: tuple[str, ...],
    ) -> dict[str, Any]:
        reliability = {}
        for m, block in enumerate(whole.blocks):
            found = (peaks[m] if m in peaks else imputers.get(m)) or None
            if found is not None and np.isfinite(found.reliability).any():
                reliability[block.name] = float(np.nanmean(found.reliability))
        return {
            "seed": recipe.seed,
            "started_at": "principal components"
            if recipe.start is None
            else f"principal components and genes of {recipe.start.name or 'a pretrained model'}",
            "order": recipe.order,
            "mamba_layers": recipe.training.n_layer or 0,
            "n_held_out": len(held),
            "measured": {block.name: int(block.measured.sum()) for block in whole.blocks},
            "measured_by_batch": {
                name: {
                    block.name: int(block.measured[whole.batch_ids == i].sum())
                    for block in whole.blocks
                }
                for i, name in enumerate(batches)
                if name
            },
            "n_features": {block.name: len(block.features) for block in whole.blocks},
            "units": {one.name: one.unit for one in self.given.modalities},
            "imputer_weights": {
                whole.names[m]: dict(
                    zip(("neural", "ridge", "neighbors"), one.weights, strict=True)
                )
                for m, one in imputers.items()
            },
            "reliability": reliability,
            "objectives": asdict(recipe.objectives),
        }


def _known(block: Block, one: Measured) -> Modality:
    shown = dict(zip(one.features, one.shown, strict=True))
    names = tuple(shown[name] for name in block.features)
    return Modality(block.name, block.kind, block.features, names, one.unit, one.factor)


def _weighed(
    final: PeakModel, judge: Trained, kept: Blocks, unseen: Blocks, m: int, recipe: Recipe
) -> PeakModel:
    """Make a peak model for held-out cells, with the weights of one fitted to others."""
    rows = unseen.blocks[m].rows
    tried = start_peaks(kept.blocks[m], recipe.order, recipe.seed)
    some = unseen.take(rows)
    fitted = fit_weights(
        tried,
        some.blocks[m],
        lambda block: decode_hidden(judge, some, m, block),
        recipe.seed,
    )
    names = ("coef", "center", "scale", "reliability")
    return replace(final, **{name: getattr(fitted, name) for name in names})


def held_out(whole: Blocks, seed: int) -> npt.NDArray[np.int64]:
    """Positions of some cells with most modalities, which are not learned from at first."""
    n_modalities = whole.measured.sum(1)
    rich = np.flatnonzero(n_modalities >= min(2, whole.measured.shape[1]))
    if len(rich) < _ENOUGH:
        logger.info("fewer than %d cells with two modalities: none are held out", _ENOUGH)
        return np.zeros(0, np.int64)
    n = min(int(_HELD * len(rich)), _MOST_HELD)
    return np.sort(np.random.default_rng(seed).choice(rich, n, replace=False))
