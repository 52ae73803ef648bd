"""What imputes each modality: fitted on all cells, weighed by a trial on cells held out from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from scmamba.tasks._multiomics.blocks import Blocks
from scmamba.tasks._multiomics.hidden_peaks import fit_weights
from scmamba.tasks._multiomics.imputer import Imputer, fit_imputer, validated
from scmamba.tasks._multiomics.learn import Learned
from scmamba.tasks._multiomics.peaks import PeakModel, start_peaks
from scmamba.tasks._multiomics.predict import decode_hidden
from scmamba.tasks._multiomics.recipe import Recipe
from scmamba.tasks._multiomics.trained import Trained


@dataclass(frozen=True)
class Predictors:
    """What imputes, by position of the modality: imputers of counts, and models of open peaks."""

    imputers: dict[int, Imputer] = field(default_factory=dict)
    peaks: dict[int, PeakModel] = field(default_factory=dict)


def try_predictors(
    whole: Blocks, held: npt.NDArray[np.int64], trial: Learned, recipe: Recipe
) -> Predictors:
    """Fit predictors to a network that has not seen the cells ``held``, and weigh them on these."""
    judge, tried = Trained(trial.network, trial.codings), Predictors()
    kept = whole.take(np.setdiff1d(np.arange(len(whole)), held))
    unseen = whole.take(held)
    for m, block in enumerate(whole.blocks):
        if block.kind == "atac":
            tried.peaks[m] = _weighed(judge, kept, unseen, m, recipe)
            continue
        imputer = fit_imputer(judge, judge.cells(kept), m, recipe.seed)
        if imputer is not None:
            tried.imputers[m] = validated(imputer, judge, judge.cells(unseen))
    return tried


def fit_predictors(
    whole: Blocks, trained: Trained, tried: Predictors, recipe: Recipe
) -> Predictors:
    """Fit predictors to all cells, with weights and reliability of those that were tried."""
    cells, found = trained.cells(whole), Predictors()
    for m, block in enumerate(whole.blocks):
        if block.kind == "atac":
            found.peaks[m] = _like(
                start_peaks(block, recipe.order, recipe.seed), tried.peaks.get(m)
            )
            continue
        imputer = fit_imputer(trained, cells, m, recipe.seed)
        if imputer is None:
            continue
        if (one := tried.imputers.get(m)) is not None:
            imputer = replace(imputer, weights=one.weights, reliability=one.reliability)
        found.imputers[m] = imputer
    return found


def _like(final: PeakModel, tried: PeakModel | None) -> PeakModel:
    """Return a model of peaks with the weights of one that was tried."""
    if tried is None:
        return final
    names = ("coef", "center", "scale", "reliability")
    return replace(final, **{name: getattr(tried, name) for name in names})


def _weighed(judge: Trained, kept: Blocks, unseen: Blocks, m: int, recipe: Recipe) -> PeakModel:
    """Make a model of peaks from the cells ``kept``, weighed on those that were held out."""
    tried = start_peaks(kept.blocks[m], recipe.order, recipe.seed)
    some = unseen.take(unseen.blocks[m].rows)
    return fit_weights(
        tried,
        some.blocks[m],
        lambda block: decode_hidden(judge, some, m, block),
        recipe.seed,
    )
