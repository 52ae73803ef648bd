"""Effects of many genes, with a null distribution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._progress import progress_bar
from scmamba.jobs.executor import HERE, Executor
from scmamba.tasks._knockout.null import adjusted, like_genes, p_value
from scmamba.tasks._knockout.shifts import Perturber

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Effects:
    """Effects of genes on the perturbed cells.

    Attributes
    ----------
    length
        (n_cells, n_genes) length of each shift.
    mean
        (n_genes, D) mean shift.
    cosine
        (n_genes,) mean cosine to the goal over the cells that change, NaN without.
    """

    length: npt.NDArray[np.float32]
    mean: Floats
    cosine: Floats

    @property
    def n_cells(self) -> Ids:
        """(n_genes,) cells that change."""
        return np.count_nonzero(self.length, axis=0)

    @property
    def size(self) -> Floats:
        """(n_genes,) mean length over the cells that change; NaN where none does."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.length.sum(0, dtype=np.float64) / self.n_cells)


def measure(
    perturber: Perturber,
    genes: Iterable[int],
    rows: Ids,
    goal: npt.NDArray[np.float32] | None,
    text: str,
    executor: Executor = HERE,
) -> Effects:
    """Perturb each gene, and measure the shifts of the cells ``rows``.

    ``goal`` (D,) is the mean embedding of the goal state.
    """
    ids = list(genes)
    effect = partial(_effect, perturber, rows, goal)
    lengths, means, cosines = [], [], []
    with progress_bar(text, len(ids), unit="genes", delay=2) as bar:
        for length, mean, cosine in executor.map(effect, ((int(gene),) for gene in ids)):
            lengths.append(length)
            means.append(mean)
            cosines.append(cosine)
            bar.update(1)
    n_model = perturber.before.shape[1]
    return Effects(
        np.stack(lengths, 1) if ids else np.zeros((len(rows), 0), np.float32),
        np.stack(means) if ids else np.zeros((0, n_model)),
        np.array(cosines, np.float64),
    )


def _effect(
    perturber: Perturber, rows: Ids, goal: npt.NDArray[np.float32] | None, gene: int
) -> tuple[npt.NDArray[np.float32], Floats, float]:
    """(n_rows,) lengths, (D,) mean and mean cosine to the goal of the shifts of one gene."""
    shift = perturber.shift(gene)[rows]
    length = np.linalg.norm(shift, axis=1)
    way = None if goal is None else goal - perturber.before[rows]
    return length, shift.mean(0, dtype=np.float64), _cosine(shift, way, length)


def _cosine(
    shift: npt.NDArray[np.float32],
    way: npt.NDArray[np.float32] | None,
    length: npt.NDArray[np.float32],
) -> float:
    some = length > 0
    if way is None or not some.any():
        return float("nan")
    far = np.linalg.norm(way[some], axis=1)
    product = (shift[some] * way[some]).sum(1)
    return float((product / np.maximum(length[some] * far, np.finfo(np.float32).tiny)).mean())


def effect_table(
    perturber: Perturber,
    names: list[str],
    ids: Ids,
    rows: Ids,
    goal: npt.NDArray[np.float32] | None,
    *,
    n_null: int,
    seed: int,
    executor: Executor,
) -> tuple[pd.DataFrame, Effects]:
    """One row per gene, and the effects that it sums up; random genes of like expression tell p."""
    found = measure(perturber, ids, rows, goal, "Perturbing genes", executor)
    means = np.asarray(perturber.values[rows].mean(0), np.float64).ravel()
    others = np.setdiff1d(np.array(sorted(perturber.cells.genes), np.int64), ids)
    others = others[means[others] > 0]
    drawn = like_genes(means, ids, others, n_null, seed)
    pool = np.unique(np.concatenate([*drawn, np.zeros(0, np.int64)])).astype(np.int64)
    null = measure(perturber, pool, rows, goal, "Perturbing random genes", executor)
    at = [np.searchsorted(pool, some) for some in drawn]
    table = pd.DataFrame(
        {"n_cells": found.n_cells, "expression": means[ids], "shift": found.size},
        index=pd.Index(names, name="gene"),
    )
    table["p_value"] = [
        p_value(one, null.size[some]) for one, some in zip(found.size, at, strict=True)
    ]
    table["fdr"] = adjusted(table["p_value"].to_numpy())
    if goal is not None:
        table["cosine"] = found.cosine
        table["goal_p_value"] = [
            p_value(abs(one), np.abs(null.cosine[some]))
            for one, some in zip(found.cosine, at, strict=True)
        ]
        table["goal_fdr"] = adjusted(table["goal_p_value"].to_numpy())
    return table, found
