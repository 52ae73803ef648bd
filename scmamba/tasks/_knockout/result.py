"""What perturbing genes in a model does to cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from scmamba._describe import Described, listed


@dataclass(frozen=True, repr=False)
class Knockouts(Described):
    """Effects of perturbed genes; made by :func:`scmamba.tasks.knockout`.

    Attributes
    ----------
    table
        One row per gene, the largest effect first: ``n_cells`` that change, mean ``expression``
        in the model's unit, ``shift`` (mean length over the cells that change), ``p_value`` and
        ``fdr`` of the shift; with a goal, ``cosine`` of shift and way to the goal in [-1, 1],
        ``goal_p_value`` (two-sided) and ``goal_fdr``.
    shift
        (n_cells, n_genes) length of each cell's shift, 0 where it does not change.
    expression
        (n_genes, n_decoded) mean change of log-normalized expression of other genes, of the cells
        that were perturbed; the perturbed gene itself is NaN.
    decoder_r2
        Share of the variance of expression that the embedding explains in held-out cells.
    n_null
        Random genes asked for for each gene.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(60, 30)
    >>> result = scmamba.tasks.knockout(adata, ["gene_1"], n_null=5)
    >>> result.table.index.tolist()
    ['gene_1']
    """

    table: pd.DataFrame
    shift: pd.DataFrame
    expression: pd.DataFrame
    decoder_r2: float
    kind: str
    model: str
    n_null: int

    @property
    def smallest_fdr(self) -> float:
        """False discovery rate that one gene alone can have: the others have p-values of 1."""
        return min(1.0, len(self.table) / (self.n_null + 1))

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        return "Knockouts", {
            "genes": listed(self.table.index.tolist()),
            "cells": f"{len(self.shift):,}",
            "kind": self.kind,
            "model": self.model,
            "fdr below .05": f"{int((self.table['fdr'] < 0.05).sum()):,} genes; a single one can "
            f"have {self.smallest_fdr:.2g} (n_null={self.n_null})",
            "decoder": f"{self.expression.shape[1]:,} genes, held-out R2 {self.decoder_r2:.2f}",
        }
