"""What an annotator learns from: labeled cells and others, gathered from wherever they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import CellSource, layer_place, sample
from scmamba.tasks._gather import gather
from scmamba.tasks._labels import Labels

UNLABELED_CELLS = 20_000
"""Of a file, so many cells without a label are learned from, drawn by the seed."""


@dataclass(frozen=True)
class Examples:
    """Cells to learn from.

    Attributes
    ----------
    learn_from
        Expression of the labeled cells, and of others beside them perhaps.
    labels
        Theirs.
    groups
        Batch of each of them, or None.
    query
        Expression of the cells to annotate where they are other ones, or of some of them.
    """

    learn_from: Expression
    labels: Labels
    groups: npt.NDArray[np.object_] | None
    query: Expression | None


def within(
    found: Expressions, labels: Labels, groups: npt.NDArray[np.object_] | None, seed: int
) -> Examples:
    """Learn from the labeled cells among those to annotate, with others beside them.

    Parameters
    ----------
    found
        Expression of all n cells.
    labels
        Of all of them, some without.
    groups
        (n,) batch of each cell, or None.
    seed
        Of the draw among many unlabeled cells of a file.
    """
    others = np.flatnonzero(labels.codes < 0)
    others = others[sample(len(others), UNLABELED_CELLS, seed)]
    learn_from, rows = gather(found, np.union1d(labels.rows, others))
    groups = None if groups is None else groups[rows]
    return Examples(learn_from, replace(labels, codes=labels.codes[rows]), groups, None)


def beside(
    found: Expressions,
    reference: CellSource,
    labels: Labels,
    groups: npt.NDArray[np.object_] | None,
    where: dict[str, Any],
    seed: int,
) -> Examples:
    """Learn from a reference; of the cells to annotate take the genes and, of a file, some cells.

    Parameters
    ----------
    found
        Expression of the cells to annotate.
    reference
        The labeled cells.
    labels
        Labels of the reference's n cells, some of which may have none.
    groups
        (n,) batch of each cell of the reference, or None.
    where
        ``layer``, ``use_raw`` and ``gene_key``, as far as the reference has them.
    seed
        Random seed of the sample among many cells of a file.
    """
    there = _there(reference, where)
    learn_from, rows = gather(Expressions.of(reference, **there), labels.rows)
    query, _ = gather(found, sample(found.source.n_obs, UNLABELED_CELLS, seed))
    groups = None if groups is None else groups[rows]
    return Examples(learn_from, replace(labels, codes=labels.codes[rows]), groups, query)


def _there(source: CellSource, where: dict[str, Any]) -> dict[str, Any]:
    """``where`` without what a reference lacks."""
    there = dict(where)
    if layer_place(there["layer"]) not in source.matrices:
        there["layer"] = None
    if there["gene_key"] not in source.var.columns:
        there["gene_key"] = None
    if "raw.X" not in source.matrices:
        there["use_raw"] = None
    return there
