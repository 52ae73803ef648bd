"""The genes that a model trained from scratch sees, and their log-normalized values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anndata as ad
import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.pp.expression import Expression
from scmamba.pp.genes import find_genes
from scmamba.pp.normalize import log_scale
from scmamba.tokens.cells.genes import GeneMatch


@dataclass(frozen=True)
class Panel:
    """Genes of a model trained from scratch, and all that count for its library sizes.

    Attributes
    ----------
    genes
        All genes that the labeled and the unlabeled cells have in common; library sizes are
        sums over them, so that a panel of genes and a whole transcriptome compare.
    chosen
        (n_chosen,) int64 positions of the highly variable ones in ``genes``: the features.
    """

    genes: tuple[str, ...]
    chosen: npt.NDArray[np.int64]

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [self.genes[i] for i in self.chosen]

    def match(self, expression: Expression) -> GeneMatch:
        """Find the panel's genes among those of a data set, at least half of them.

        Raises
        ------
        ScmambaError
            Fewer than half match.
        """
        return find_genes(expression, self.genes)

    def values(self, expression: Expression, match: GeneMatch) -> sparse.csr_matrix:
        """(n_cells, n_chosen) log-normalized values, zero for genes that the data set lacks."""
        return aligned(expression, match, len(self.genes))[:, self.chosen].tocsr()

    def linear(self, expression: Expression, match: GeneMatch) -> sparse.csr_matrix:
        """(n_cells, n_chosen) counts, or values with logarithms undone; zero for genes it lacks."""
        return _placed(expression, match, len(self.genes))[:, self.chosen].tocsr()


def aligned(expression: Expression, match: GeneMatch, n_genes: int) -> sparse.csr_matrix:
    """(n_cells, n_genes) log1p of counts per 10,000 of matched genes, whatever unit they are in."""
    return log_scale(_placed(expression, match, n_genes), expression.unit)


def _placed(expression: Expression, match: GeneMatch, n_genes: int) -> sparse.csr_matrix:
    """Linear values in the targets' columns; those of one target are added up."""
    here = np.flatnonzero(match.index >= 0)
    place = sparse.csr_matrix(
        (np.ones(len(here), np.float32), (here, match.index[here])),
        shape=(len(match.index), n_genes),
    )
    values = (expression.unit.linear(expression.X) @ place).tocsr()
    values.sort_indices()
    return values


def choose_panel(
    matrices: Sequence[sparse.csr_matrix], genes: Sequence[str], n_top_genes: int | None
) -> Panel:
    """Keep the expressed genes, or the most variable of them, without a look at labels.

    Parameters
    ----------
    matrices
        Log-normalized values of each group of cells (a batch, a data set); variability is judged
        within each, so that differences between them do not count.
    genes
        Names of their columns.
    n_top_genes
        Number of genes; None: all that any cell expresses.

    Raises
    ------
    ScmambaError
        No gene is expressed in any cell.
    """
    import scanpy as sc

    together = sparse.vstack(matrices).tocsr()
    expressed = np.flatnonzero(np.asarray((together > 0).sum(0)).ravel())
    if not len(expressed):
        raise ScmambaError("no gene of the cells to learn from is expressed; check the layer")
    if n_top_genes is not None and len(expressed) > n_top_genes:
        cells = ad.AnnData(together[:, expressed])
        groups = np.repeat(np.arange(len(matrices)).astype(str), [m.shape[0] for m in matrices])
        cells.obs["group"] = groups
        cells.obs["group"] = cells.obs["group"].astype("category")
        found = sc.pp.highly_variable_genes(
            cells,
            n_top_genes=n_top_genes,
            batch_key="group" if len(matrices) > 1 else None,
            inplace=False,
        )
        expressed = expressed[np.asarray(found["highly_variable"], dtype=bool)]
    return Panel(tuple(genes), expressed.astype(np.int64))
