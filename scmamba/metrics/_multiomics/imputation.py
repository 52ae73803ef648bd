"""Scores of imputed values against measured ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ImputationScores:
    """Scores of imputed values, named as in the Open Problems task "predict modality".

    Attributes
    ----------
    rmse, mae
        Root mean squared and mean absolute error over all measured values, in their unit.
    mean_pearson_per_cell, mean_spearman_per_cell
        Correlation over the features of a cell, mean over cells, in [-1, 1].
    mean_pearson_per_gene, mean_spearman_per_gene
        Correlation over the cells of a feature, mean over features, in [-1, 1].
    overall_pearson, overall_spearman
        Correlation over all measured values.
    n_cells, n_features
        Cells and features that were scored.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.metrics import multiomics
    >>> measured = np.array([[0.0, 1.0], [2.0, 4.0]])
    >>> multiomics.imputation(measured, measured + 0.5).mae
    0.5
    """

    rmse: float
    mae: float
    mean_pearson_per_cell: float
    mean_spearman_per_cell: float
    mean_pearson_per_gene: float
    mean_spearman_per_gene: float
    overall_pearson: float
    overall_spearman: float
    n_cells: int
    n_features: int


def imputation(measured: Any, imputed: Any, mask: npt.ArrayLike | None = None) -> ImputationScores:
    """Score imputed values against those that were measured and hidden.

    Parameters
    ----------
    measured, imputed
        (n_cells, n_features) values in the same unit; log1p of counts is usual. Dense or sparse.
    mask
        (n_cells, n_features) True where a value was measured; others are not scored. None: all.

    Returns
    -------
    The scores. A correlation of values that do not vary is 0, as in Open Problems; cells and
    features with fewer than two measured values have none.

    Raises
    ------
    ScmambaError
        If shapes differ or values that are scored are not finite.

    Notes
    -----
    Names and rules: Open Problems in Single-Cell Analysis, task "predict modality" (Lance et al.,
    NeurIPS 2021 competition).

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.metrics import multiomics
    >>> measured = np.array([[0.0, 1.0, 3.0], [2.0, 2.0, 5.0], [1.0, 4.0, 4.0]])
    >>> round(multiomics.imputation(measured, measured**2).mean_pearson_per_gene, 3)
    0.983
    """
    truth, found = _dense(measured), _dense(imputed)
    if truth.shape != found.shape or truth.ndim != 2 or not truth.size:
        raise ScmambaError(
            f"measured has shape {truth.shape} and imputed {found.shape}; give cells by features "
            "of the same shape, with one value at least"
        )
    known = np.ones(truth.shape, bool) if mask is None else np.asarray(mask, dtype=bool)
    if known.shape != truth.shape or not known.any():
        raise ScmambaError(
            f"mask has shape {known.shape} and {int(known.sum())} measured values; give "
            f"{truth.shape}, True somewhere"
        )
    if wrong := int((~np.isfinite(truth[known]) | ~np.isfinite(found[known])).sum()):
        raise ScmambaError(
            f"{wrong} of the values to score are not finite; leave cells that cannot be imputed "
            "out, or give mask="
        )
    difference = found[known] - truth[known]
    ranked = [_ranks(one[known][None], known[known][None]) for one in (truth, found)]
    by_cell = [_ranks(one, known) for one in (truth, found)]
    by_feature = [_ranks(one.T, known.T) for one in (truth, found)]
    return ImputationScores(
        float(np.sqrt(np.mean(difference**2))),
        float(np.abs(difference).mean()),
        _mean(correlations(truth, found, known)),
        _mean(correlations(by_cell[0], by_cell[1], known)),
        _mean(correlations(truth.T, found.T, known.T)),
        _mean(correlations(by_feature[0], by_feature[1], known.T)),
        _mean(correlations(truth[known][None], found[known][None], known[known][None])),
        _mean(correlations(ranked[0], ranked[1], known[known][None])),
        int(known.any(1).sum()),
        int(known.any(0).sum()),
    )


def correlations(a: Floats, b: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """(n_rows,) Pearson correlation of each row over ``known``; 0 where a row does not vary.

    NaN for rows with fewer than two known values.
    """
    n = known.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.where(known, a - np.where(known, a, 0).sum(1, keepdims=True) / n, 0)
        right = np.where(known, b - np.where(known, b, 0).sum(1, keepdims=True) / n, 0)
    spread = np.sqrt((left**2).sum(1) * (right**2).sum(1))
    size = np.sqrt((np.where(known, a, 0) ** 2).sum(1) * (np.where(known, b, 0) ** 2).sum(1))
    varies = spread > 1e-12 * size
    found = np.where(varies, (left * right).sum(1) / np.where(varies, spread, 1), 0.0)
    return np.where(n[:, 0] >= 2, found, np.nan)


def _ranks(values: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    """Ranks of the known values within each row; others are behind them."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(np.where(known, values, np.inf), axis=1), dtype=np.float64)


def _mean(values: Floats) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def _dense(values: Any) -> Floats:
    dense = values.toarray() if sparse.issparse(values) else values
    return np.asarray(dense, dtype=np.float64)
