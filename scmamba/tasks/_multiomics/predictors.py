"""What imputes each modality: fitted on all cells, weighed by a trial on cells held out from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from scmamba.tasks._multiomics.blocks import Blocks
from scmamba.tasks._multiomics.hidden_peaks import fit_weights
from scmamba.tasks._multiomics.imputer import Imputer, fit_imputer, validated
from scmamba.tasks._multiomics.peaks import PeakModel, start_peaks
from scmamba.tasks._multiomics.predict import decode_hidden
from scmamba.tasks._multiomics.recipe import Recipe
from scmamba.tasks._multiomics.trained import Trained


@dataclass(frozen=True)
class Predictors:
    """What imputes, by position of the modality: imputers of counts, and models of open peaks."""

    imputers: dict[int, Imputer] = field(default_factory=dict)
    peaks: dict[int, PeakModel] = field(default_factory=dict)


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


def weigh_predictors(
    found: Predictors, trained: Trained, unseen: Blocks, recipe: Recipe
) -> Predictors:
    """Weigh predictors, and measure how reliable they are, on cells that were held out."""
    cells = trained.cells(unseen)
    imputers = {m: validated(one, trained, cells) for m, one in found.imputers.items()}
    peaks = {m: _weighed(one, trained, unseen, m, recipe) for m, one in found.peaks.items()}
    return Predictors(imputers, peaks)


def _weighed(
    model: PeakModel, trained: Trained, unseen: Blocks, m: int, recipe: Recipe
) -> PeakModel:
    """Weigh what a model of peaks reads, on peaks that are hidden in held-out cells."""
    some = unseen.take(unseen.blocks[m].rows)
    return fit_weights(
        model,
        some.blocks[m],
        lambda block: decode_hidden(trained, some, m, block),
        recipe.seed,
    )
