"""Genes of like expression, and how rarely one of them has as large an effect."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


def like_genes(
    means: npt.NDArray[np.float64], genes: Ids, candidates: Ids, n: int, seed: int
) -> list[Ids]:
    """For each gene, ``n`` random genes among the ``2 n`` with the nearest mean expression.

    Parameters
    ----------
    means
        Mean value of every gene over the cells.
    genes
        Positions of the perturbed genes.
    candidates
        Positions to draw from, without the perturbed ones.
    n
        How many; all candidates where there are fewer.
    seed
        Seed of the draw.
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for gene in genes:
        near = candidates[np.argsort(np.abs(means[candidates] - means[gene]), kind="stable")]
        pool = near[: 2 * n]
        drawn.append(np.sort(rng.choice(pool, min(n, len(pool)), replace=False)))
    return drawn


def p_value(value: float, null: npt.NDArray[np.float64]) -> float:
    """(1 + how many of the null are at least as large) / (1 + how many there are)."""
    finite = null[np.isfinite(null)]
    if not np.isfinite(value) or not len(finite):
        return float("nan")
    return float((1 + (finite >= value).sum()) / (1 + len(finite)))


def adjusted(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return false discovery rates of Benjamini and Hochberg; NaN stays NaN."""
    from scipy import stats

    fdr, known = np.full(len(p), np.nan), np.isfinite(p)
    if known.any():
        fdr[known] = stats.false_discovery_control(p[known])
    return fdr
