"""Tables of the genes that decide, made of the attributions of single cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from scmamba.tasks._annotation.explanation import ABSENT, EXPRESSED
from scmamba.tasks._annotation.gene_columns import GeneColumns
from scmamba.tasks._annotation.gene_knockout import knockout_effects

if TYPE_CHECKING:
    from scmamba.tasks._annotation.annotator import Annotator
    from scmamba.tasks._annotation.prediction import Cells

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Explained:
    """Attributions of cells, of which tables are made.

    Attributes
    ----------
    annotator
        Annotator whose labels are explained.
    cells
        The n explained cells.
    codes
        (n,) class of each cell.
    attribution
        (n, n_genes) attribution of each gene to the class of the cell, in nats.
    values
        (n, n_genes) log-normalized values.
    start
        (n_genes,) log-normalized values at the baseline.
    columns
        Where the genes are found.
    """

    annotator: Annotator
    cells: Cells
    codes: Rows
    attribution: Floats
    values: sparse.csr_matrix
    start: Floats
    columns: GeneColumns

    def means(self, values: Floats | sparse.csr_matrix) -> pd.DataFrame:
        """(n_types, n_genes) means over the cells of each type."""
        present = np.unique(self.codes)
        rows = [np.asarray(values[self.codes == code].mean(0)).ravel() for code in present]
        index = pd.Index([self.annotator.classes[code] for code in present], name="cell_type")
        return pd.DataFrame(np.stack(rows), index, self.columns.names)

    def by_type(self, n_genes: int) -> pd.DataFrame:
        """Return the genes that argue most for each type."""
        n, names = n_genes, np.array(self.columns.names, object)
        present = np.unique(self.codes)
        mean = self.means(self.attribution).to_numpy()
        best = np.argsort(-mean, axis=1, kind="stable")[:, :n]
        own = best[np.searchsorted(present, self.codes)]
        effects = self._effects(own, "Knocking out genes of types")
        parts = []
        for i, code in enumerate(present):
            cells = self.codes == code
            values = self.values[np.flatnonzero(cells)][:, best[i]]
            level = np.asarray(values.mean(0)).ravel()
            part = pd.DataFrame(
                {
                    "cell_type": self.annotator.classes[code],
                    "gene": names[best[i]],
                    "attribution": mean[i, best[i]],
                    "knockout_effect": effects[cells].mean(0),
                    "mean_expression": level,
                    "fraction_of_cells": np.asarray((values > 0).mean(0)).ravel(),
                    "evidence": np.where(level >= self.start[best[i]], EXPRESSED, ABSENT),
                }
            )
            parts.append(part[part["attribution"] > 0])
        return pd.concat(parts, ignore_index=True)

    def by_cell(self, n_genes: int) -> pd.DataFrame:
        """Return the genes that argue most for the label of each cell."""
        names = np.array(self.columns.names, object)
        best = np.argsort(-self.attribution, axis=1, kind="stable")[:, :n_genes]
        rows = np.arange(len(best))[:, None]
        level = np.stack(
            [row.toarray().ravel()[own] for row, own in zip(self.values, best, strict=True)]
        )
        types, n = np.array(self.annotator.classes, object)[self.codes], best.shape[1]
        table = pd.DataFrame(
            {
                "cell": self.cells.expression.obs_names.to_numpy().repeat(n),
                "cell_type": types.repeat(n),
                "gene": names[best].ravel(),
                "attribution": self.attribution[rows, best].ravel(),
                "knockout_effect": self._effects(best, "Knocking out genes of cells").ravel(),
                "expression": level.ravel(),
                "evidence": np.where(level >= self.start[best], EXPRESSED, ABSENT).ravel(),
            }
        )
        return table[table["attribution"] > 0].reset_index(drop=True)

    def _effects(self, genes: Rows, text: str) -> Floats:
        return knockout_effects(self.annotator, self.cells, self.codes, genes, self.columns, text)
