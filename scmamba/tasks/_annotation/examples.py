"""What an annotator learns from: labeled cells and others, gathered from wherever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import about_one
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.stream.sampling import sample
from scmamba.stream.source import CellSource
from scmamba.stream.taken import layer_place
from scmamba.tasks._gather import gather, gather_all
from scmamba.tasks._labels import Labels

UNLABELED_CELLS = 20_000
"""Cells without a label that are learned from, at most, where they are in files."""


@dataclass(frozen=True)
class Examples:
    """Cells to learn from.

    Attributes
    ----------
    learn_from
        Expression of the n labeled cells, with unlabeled ones where both are in the same inputs.
    labels
        Labels of these cells.
    groups
        (n,) batch of each cell, or None.
    query
        Expression of (some of) the cells to annotate, where a reference is labeled; else None.
    """

    learn_from: Expression
    labels: Labels
    groups: npt.NDArray[np.object_] | None
    query: Expression | None


def within(
    found: Sequence[Expressions],
    labels: Labels,
    groups: npt.NDArray[np.object_] | None,
    seed: int,
) -> Examples:
    """Learn from the labeled cells among those to annotate, with others beside them.

    Parameters
    ----------
    found
        Expression of each input, n cells in all.
    labels
        Labels of these cells, some of which have none.
    groups
        (n,) batch of each cell, or None.
    seed
        Random seed of the draw among many unlabeled cells of files.
    """
    others = np.flatnonzero(labels.codes < 0)
    others = others[sample(len(others), UNLABELED_CELLS, seed)]
    learn_from, rows = gather_all(found, np.union1d(labels.rows, others))
    groups = None if groups is None else groups[rows]
    return Examples(learn_from, replace(labels, codes=labels.codes[rows]), groups, None)


def beside(
    found: Expressions,
    references: Sequence[CellSource],
    labels: Labels,
    groups: npt.NDArray[np.object_] | None,
    where: dict[str, Any],
    seed: int,
) -> Examples:
    """Learn from references; of the cells to annotate take the genes and, of a file, some cells.

    Parameters
    ----------
    found
        Expression of the cells to annotate.
    references
        The labeled cells, n in all.
    labels
        Labels of these cells, some of which may have none.
    groups
        (n,) batch of each of them, or None.
    where
        ``layer``, ``use_raw`` and ``gene_key``, as far as a reference has them.
    seed
        Random seed of the sample among many cells of a file.
    """
    labeled = []
    for one in references:
        with about_one(one.name, of_several=len(references) > 1):
            labeled.append(Expressions.of(one, **_there(one, where)))
    learn_from, rows = gather_all(labeled, labels.rows)
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
