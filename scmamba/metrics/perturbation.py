"""Scores of predicted perturbation responses, with baselines and a split-half ceiling."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from anndata import AnnData

from scmamba._describe import Tabulated
from scmamba._errors import ScmambaError
from scmamba.metrics._perturbation.cells import (
    CellGroups,
    Key,
    measured_cells,
    predicted_cells,
    predicted_keys,
    predicted_profiles,
)
from scmamba.metrics._perturbation.truth import Prediction, Truth

CEILING = "ceiling"
_DRAWS = 1000


@dataclass(frozen=True, repr=False)
class PerturbationScores(Tabulated):
    """Scores of predicted perturbation responses; see :func:`perturbation`.

    Attributes
    ----------
    table
        Scores, one row per context and perturbation and one column per metric.
    summary
        Summary, one row per metric: ``mean`` over perturbations, ``low`` and ``high`` bounds of its
        95 % interval (bootstrap over perturbations), the mean of each baseline, and ``ceiling``,
        the mean for one half of the measured cells as the prediction of the other half. Metrics
        computed over all perturbations together have no interval.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.metrics import PerturbationScores
    >>> summary = pd.DataFrame({"mean": [0.25]}, index=["mae"])
    >>> print(PerturbationScores(pd.DataFrame(index=["A", "B"]), summary))
    2 perturbations
         mean
    mae 0.250
    """

    table: pd.DataFrame = field(repr=False, compare=False)
    summary: pd.DataFrame = field(repr=False, compare=False)

    def _shown(self) -> tuple[str, pd.DataFrame]:
        return f"{len(self.table):,} perturbations", self.summary


def perturbation(
    real: AnnData,
    predicted: AnnData | pd.DataFrame,
    pert_key: str,
    control: str,
    *,
    context_key: str | None = None,
    targets: Mapping[str, list[str]] | None = None,
    baselines: Mapping[str, AnnData | pd.DataFrame] | None = None,
    n_top: int = 100,
    max_cells: int = 1000,
    seed: int = 0,
) -> PerturbationScores:
    """Score predicted cells, or predicted mean profiles, against measured cells.

    Changes are computed against the measured controls for both measured and predicted cells;
    controls among the predicted cells are ignored, so that they cannot improve the scores.

    Parameters
    ----------
    real
        Measured cells with their controls, counts or log-normalized counts.
    predicted
        Predicted cells in the same unit, or a table of predicted mean log-normalized profiles with
        one row per perturbation (or pair of context and perturbation) and one column per gene, in
        any order. All perturbations in it are scored.
    pert_key
        Column of ``obs`` with the perturbation of each cell; combinations are written ``"A+B"``.
    control
        Value of ``pert_key`` for control cells.
    context_key
        Column of ``obs`` with the cell type, cell line or donor, each with its own controls; None
        if all cells share one context.
    targets
        Target genes of each perturbation, excluded from ``discrimination_score``; None for the
        genes in the name of the perturbation.
    baselines
        Further predictions by name, which are scored in the same way.
    n_top
        Number of genes with the largest measured change, for ``pearson_delta_top`` and ``mse_top``.
    max_cells
        Largest number of cells per group for distances between groups of cells; from larger groups,
        that many are drawn at random.
    seed
        Seed of the random cells, the halves and the bootstrap.

    Returns
    -------
    The scores. Names and formulas are cell-eval's (``mae``, ``mse``, ``pearson_delta``,
    ``discrimination_score_l1``, ``overlap_at_N``, ``precision_at_N``, ``de_direction_match``,
    ``de_spearman_lfc_sig``, ``pearson_edistance`` and so on), Systema's (``pearson_centroid``,
    ``centroid_accuracy``), and ``energy_distance`` and ``mmd`` between predicted and measured
    cells. For a table of profiles, only metrics of mean profiles are computed. Ranks are among
    perturbations of the same context, or across contexts where each has a single perturbation.

    Raises
    ------
    ScmambaError
        If a column, a gene or a control is missing, units differ, a value is not finite, or no
        measured perturbation is predicted.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(80, 30, 2)
    >>> adata.obs["perturbation"] = np.where(np.arange(80) % 2, "control", "A")
    >>> predicted = adata[adata.obs["perturbation"] == "A"]
    >>> scores = scmamba.metrics.perturbation(adata, predicted, "perturbation", "control")
    >>> round(float(scores.summary.loc["mae", "mean"]), 6)
    0.0
    """
    for name, number in {"n_top": n_top, "max_cells": max_cells}.items():
        if number < 2:
            raise ScmambaError(f"{name}={number}; give 2 or more")
    measured = measured_cells(real, pert_key, control, context_key)
    keys = _scored(measured, predicted, pert_key, control, context_key)
    truth = Truth(measured, control, keys, targets or {}, n_top, max_cells, seed)
    given = {"": predicted, **(baselines or {})}
    predictions = {
        name: _prediction(one, truth, pert_key, context_key) for name, one in given.items()
    }
    table, overall = truth.score(predictions.pop(""))
    summary = _summary(table, overall, seed)
    for name, prediction in predictions.items():
        summary[name] = _means(*truth.score(prediction))
    half, other_half = truth.split()
    if half.keys:
        summary[CEILING] = _means(*half.score(other_half))
    return PerturbationScores(table, summary)


def _scored(
    measured: CellGroups,
    predicted: AnnData | pd.DataFrame,
    pert_key: str,
    control: str,
    context_key: str | None,
) -> list[Key]:
    """Contexts and perturbations, except controls, that are both measured and predicted."""
    named = predicted_keys(predicted, pert_key, context_key)
    keys = [
        key
        for key in measured.rows
        if key[1] != control and (key in named or ("", key[1]) in named)
    ]
    if not keys:
        shown = ", ".join(sorted({p for _, p in measured.rows if p != control})[:5])
        raise ScmambaError(
            f"no measured perturbation is predicted; measured: {shown or 'only controls'}"
        )
    alone = sorted({context for context, _ in keys if (context, control) not in measured.rows})
    if alone:
        raise ScmambaError(
            f"no cell of {', '.join(alone[:5])} is a control ({pert_key}={control!r}), so "
            "changes cannot be computed; leave those cells out or add their controls"
        )
    return keys


def _prediction(
    given: AnnData | pd.DataFrame,
    truth: Truth,
    pert_key: str,
    context_key: str | None,
) -> Prediction:
    """Predicted cells or profiles on the measured genes."""
    if isinstance(given, AnnData):
        return predicted_cells(given, truth.cells, truth.keys, pert_key, context_key)
    return predicted_profiles(given, truth.cells.genes, truth.keys)


def _means(table: pd.DataFrame, overall: dict[str, float]) -> pd.Series:
    return pd.concat([table.mean(), pd.Series(overall, dtype=float)])


def _summary(table: pd.DataFrame, overall: dict[str, float], seed: int) -> pd.DataFrame:
    """Mean of each metric over perturbations, with its bootstrap interval."""
    values = table.to_numpy(float)
    rows = np.random.default_rng(seed).integers(len(values), size=(_DRAWS, len(values)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a metric that no perturbation has
        low, high = np.nanpercentile(np.nanmean(values[rows], 1), [2.5, 97.5], axis=0)
    summary = pd.DataFrame({"mean": _means(table, overall)})
    summary["low"] = pd.Series(low, table.columns)
    summary["high"] = pd.Series(high, table.columns)
    summary.index.name = "metric"
    return summary
