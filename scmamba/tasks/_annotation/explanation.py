"""What explains the labels of an annotator: the genes that decide, by type and by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd

from scmamba._arguments import check_choice, check_count
from scmamba._describe import Described, listed

Baseline = Literal["mean", "zero"]
BASELINES = get_args(Baseline)

EXPRESSED, ABSENT = "expressed", "absent"
"""Kinds of evidence: more of a gene than at the baseline, or less."""


@dataclass(frozen=True, repr=False)
class Explanation(Described):
    """Genes that decide about labels, as :meth:`scmamba.tasks.Annotator.explain` finds them.

    Attributes
    ----------
    table
        The genes that argue most for each type, one row per type and gene, the strongest first:
        ``cell_type``; ``gene``; ``attribution``, its part in the log-odds of the type, mean over
        cells, in nats; ``knockout_effect``, the mean drop of the log-odds when the gene is set to
        zero; ``mean_expression``, log1p of counts per 10,000; ``fraction_of_cells`` that express
        it, in [0, 1]; and ``evidence``: ``"expressed"`` where the cells have more of it than the
        baseline, ``"absent"`` where they have less.
    cells
        The same for each cell, with ``cell`` in front and ``expression`` for the last columns;
        None where it was not asked for.
    attributions, fractions
        (n_types, n_genes) mean attribution of every gene to each type, and fraction of the type's
        cells that express it.
    n_cells
        Number of cells explained, by type.
    unexplained
        Largest difference, over all cells, between the sum of the attributions and the change of
        the log-odds from the baseline: 0 if integration were exact.
    baseline
        Where the path to each cell began.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic(60, 40, 2, human=True)
    >>> quick = scmamba.tasks.AnnotationTraining(epochs=1, n_members=1, width=16)
    >>> annotator = scmamba.tasks.annotate(
    ...     cells[40:], cells[:40], labels_key="cell_type", training=quick
    ... )
    >>> found = annotator.explain(cells, include_unknown=True)
    >>> list(found.attributions.index)
    ['type_0', 'type_1']
    """

    table: pd.DataFrame
    cells: pd.DataFrame | None
    attributions: pd.DataFrame
    fractions: pd.DataFrame
    n_cells: dict[str, int]
    unexplained: float
    baseline: Baseline

    def top(self, n: int = 5, *, evidence: str | None = EXPRESSED) -> dict[str, list[str]]:
        """Return the first ``n`` genes of each type; ``evidence=None``: of both kinds."""
        check_count("n", n, optional=False)
        check_choice("evidence", evidence, (EXPRESSED, ABSENT, None))
        kept = self.table if evidence is None else self.table[self.table["evidence"] == evidence]
        groups = kept.groupby("cell_type", sort=False, observed=True)["gene"]
        found = {str(name): genes.head(n).tolist() for name, genes in groups}
        return {name: found.get(name, []) for name in self.n_cells}

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        genes = {name: ", ".join(genes) for name, genes in self.top().items()}
        return "Explanation", {
            "cells": f"{sum(self.n_cells.values()):,} of {listed(list(self.n_cells))}",
            "baseline": self.baseline,
            "unexplained": f"at most {self.unexplained:.3f} nats of a cell",
            **{f"  {name}": text or "none" for name, text in genes.items()},
        }
