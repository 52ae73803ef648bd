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
class Part:
    """A block of cells to perturb.

    Attributes
    ----------
    rows
        Cells of the block that are perturbed.
    perturber
        Perturbs genes of the block.
    """

    rows: Ids
    perturber: Perturber


@dataclass(frozen=True)
class Effects:
    """Effects of genes on the perturbed cells.

    Attributes
    ----------
    length
        (n_cells, n_genes) length of each shift; no rows where they were not asked for.
    n_cells
        (n_genes,) cells that change.
    size
        (n_genes,) mean length over the cells that change; NaN where none does.
    mean
        (n_genes, D) mean shift.
    cosine
        (n_genes,) mean cosine to the goal over the cells that change, NaN without.
    """

    length: npt.NDArray[np.float32]
    n_cells: Ids
    size: Floats
    mean: Floats
    cosine: Floats


def measure(
    parts: Iterable[Part],
    genes: Iterable[int],
    goal: npt.NDArray[np.float32] | None,
    text: str,
    executor: Executor = HERE,
    *,
    lengths: bool = False,
) -> Effects:
    """Perturb each gene in one block of cells after the other.

    Parameters
    ----------
    parts
        Blocks of cells.
    genes
        Vocabulary ids of the genes.
    goal
        (D,) mean embedding of the goal state, or None.
    text
        What the progress bar says.
    executor
        Where genes are perturbed.
    lengths
        Whether the length of each cell's shift is kept.
    """
    ids = list(genes)
    k, kept, total = len(ids), [], 0
    changed, summed, cosines = np.zeros(k, np.int64), np.zeros(k), np.zeros(k)
    shifted: Floats | None = None
    for part in parts:
        length = np.zeros((len(part.rows), k), np.float32)
        if shifted is None:
            shifted = np.zeros((k, part.perturber.before.shape[1]))
        effect = partial(_effect, part, goal)
        with progress_bar(text, k, unit="genes", delay=2) as bar:
            for i, found in enumerate(executor.map(effect, ((int(gene),) for gene in ids))):
                length[:, i] = found[0]
                shifted[i] += found[1]
                cosines[i] += found[2]
                bar.update(1)
        changed += np.count_nonzero(length, axis=0)
        summed += length.sum(0, dtype=np.float64)
        total += len(part.rows)
        kept += [length] if lengths else []
    with np.errstate(invalid="ignore"):
        return Effects(
            np.concatenate(kept) if kept else np.zeros((0, k), np.float32),
            changed,
            np.asarray(summed / changed),
            np.zeros((k, 0)) if shifted is None else shifted / max(total, 1),
            np.asarray(cosines / changed) if goal is not None else np.full(k, np.nan),
        )


def _effect(
    part: Part, goal: npt.NDArray[np.float32] | None, gene: int
) -> tuple[npt.NDArray[np.float32], Floats, float]:
    """(n_rows,) lengths, (D,) sum, and sum of the cosines to the goal of the shifts of one gene."""
    shift = part.perturber.shift(gene)[part.rows]
    length = np.linalg.norm(shift, axis=1)
    way = None if goal is None else goal - part.perturber.before[part.rows]
    return length, shift.sum(0, dtype=np.float64), _cosines(shift, way, length)


def _cosines(
    shift: npt.NDArray[np.float32],
    way: npt.NDArray[np.float32] | None,
    length: npt.NDArray[np.float32],
) -> float:
    """Sum of the cosines between shifts and the way to the goal, of cells that change."""
    some = length > 0
    if way is None or not some.any():
        return 0.0
    far = np.linalg.norm(way[some], axis=1)
    product = (shift[some] * way[some]).sum(1)
    tiny = np.finfo(np.float32).tiny
    return float((product / np.maximum(length[some] * far, tiny)).sum(dtype=np.float64))


def effect_table(
    parts: Iterable[Part],
    names: list[str],
    ids: Ids,
    others: Ids,
    means: Floats,
    goal: npt.NDArray[np.float32] | None,
    *,
    n_null: int,
    seed: int,
    executor: Executor,
) -> tuple[pd.DataFrame, Effects]:
    """One row per gene, and the effects that it sums up; random genes of like expression tell p.

    Parameters
    ----------
    parts
        Blocks of cells, which can be gone through again.
    names, ids
        Genes to perturb.
    others
        Genes that random ones are drawn from.
    means
        Mean value of every gene over the perturbed cells.
    goal
        (D,) mean embedding of the goal state, or None.
    """
    drawn = like_genes(means, ids, others[means[others] > 0], n_null, seed)
    pool = np.unique(np.concatenate([*drawn, np.zeros(0, np.int64)])).astype(np.int64)
    found = measure(parts, ids, goal, "Perturbing genes", executor, lengths=True)
    null = measure(parts, pool, goal, "Perturbing random genes", executor)
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
