"""What imputes each modality: fitted on all cells, weighed by a trial on cells held out from it."""

from __future__ import annotations

from dataclasses import replace

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


def fit_predictors(
    whole: Blocks,
    held: npt.NDArray[np.int64],
    trial: Learned | None,
    trained: Trained,
    recipe: Recipe,
) -> tuple[dict[int, Imputer], dict[int, PeakModel]]:
    """Fit imputers of all modalities, weighed by the trial on held-out cells."""
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
