"""Differential expression of measured and of predicted cells, and their agreement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Genes = npt.NDArray[np.int64]

TOP = (50, 100, 200, 500)
"""Numbers of genes for ``overlap_at_...`` and ``precision_at_...``, in addition to N (all)."""
FDR = 0.05
_TINY = 1e-9  # keeps fold changes of genes without expression finite, as in scanpy


@dataclass(frozen=True)
class DifferentialExpression:
    """Differential expression of perturbed cells against controls.

    Attributes
    ----------
    log2_fold_change
        (n_vars,) log2 of the ratio of mean normalized counts.
    fdr
        (n_vars,) false discovery rate in [0, 1].
    """

    log2_fold_change: Floats
    fdr: Floats

    @property
    def significant(self) -> npt.NDArray[np.bool_]:
        """(n_vars,) whether the false discovery rate is below 0.05."""
        return self.fdr < FDR

    @property
    def ranked(self) -> Genes:
        """Positions of the significant genes, by decreasing absolute fold change."""
        found = np.flatnonzero(self.significant)
        return found[np.argsort(-np.abs(self.log2_fold_change[found]), kind="stable")]


def differential_expression(
    cells: npt.NDArray[np.floating], control: npt.NDArray[np.floating]
) -> DifferentialExpression:
    """Test each gene with the Wilcoxon rank-sum test.

    Parameters
    ----------
    cells, control
        (n_cells, n_vars) log-normalized expression, at least one cell each.

    Notes
    -----
    Normal approximation with correction for ties and continuity; false discovery rates after
    Benjamini and Hochberg.
    """
    from scipy.stats import false_discovery_control, mannwhitneyu

    with np.errstate(invalid="ignore", divide="ignore"):
        p = mannwhitneyu(cells, control, axis=0, method="asymptotic").pvalue
    means = [np.expm1(values.astype(np.float64)).clip(min=0).mean(0) for values in (cells, control)]
    change = np.log2((means[0] + _TINY) / (means[1] + _TINY))
    return DifferentialExpression(change, false_discovery_control(np.nan_to_num(p, nan=1.0)))


def gene_scores(
    real: DifferentialExpression, predicted: DifferentialExpression
) -> dict[str, float]:
    """Agreement of differential expression in measured and predicted cells of a perturbation.

    Returns
    -------
    ``overlap_at_N`` and so on: fraction of the k significant genes with the largest measured
    change that are among the k largest predicted ones, k at most the number N of significant
    genes; ``precision_at_N`` the same with N the number predicted to be significant; 0 where there
    are none. ``de_direction_match``: fraction of measured significant genes with the right sign;
    ``de_spearman_lfc_sig``: Spearman's correlation of their fold changes; ``de_sig_genes_recall``:
    fraction predicted to be significant; ``pr_auc`` and ``roc_auc`` of the predicted false
    discovery rates. These are NaN where no gene is significant.
    """
    from scipy.stats import spearmanr
    from sklearn.metrics import average_precision_score, roc_auc_score

    scores, tops = {}, (real.ranked, predicted.ranked)
    for score, counted in zip(("overlap", "precision"), tops, strict=True):
        for most in (None, *TOP):
            k = len(counted) if most is None else min(most, len(counted))
            scores[f"{score}_at_{most or 'N'}"] = _shared(*tops, k)
    names = (
        "de_direction_match",
        "de_spearman_lfc_sig",
        "de_sig_genes_recall",
        "pr_auc",
        "roc_auc",
    )
    genes = real.significant
    if not genes.any():
        return scores | dict.fromkeys(names, float("nan"))
    true, guess = real.log2_fold_change[genes], predicted.log2_fold_change[genes]
    varies = len(true) > 1 and np.ptp(true) > 0 and np.ptp(guess) > 0
    evidence = -np.log10(np.maximum(predicted.fdr, np.finfo(float).tiny))
    both = bool((~genes).any())
    values = (
        float((np.sign(true) == np.sign(guess)).mean()),
        float(spearmanr(true, guess).statistic) if varies else float("nan"),
        float(predicted.significant[genes].mean()),
        float(average_precision_score(genes, evidence)),
        float(roc_auc_score(genes, evidence)) if both else float("nan"),
    )
    return scores | dict(zip(names, values, strict=True))


def _shared(real: Genes, predicted: Genes, k: int) -> float:
    """Fraction of the first ``k`` genes that both rankings share; 0 where ``k`` is 0."""
    return len(np.intersect1d(real[:k], predicted[:k])) / k if k else 0.0
