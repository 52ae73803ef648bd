"""Which cells of a data set are good enough for a corpus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba._arguments import check_count, check_number
from scmamba.pp.expression import Expression

_MITOCHONDRIAL = ("MT-", "mt-")


@dataclass(frozen=True)
class CellFilters:
    """Limits for cells of a corpus; cells outside of them are left out.

    Parameters
    ----------
    min_genes
        Expressed genes, at least.
    min_counts
        Counts, at least; None: no limit.
    max_counts
        Counts, at most, since doublets have many; None: no limit.
    max_mito
        Fraction of counts of mitochondrial genes (``MT-`` or ``mt-``), at most, in [0, 1]; data
        sets without such genes are not limited. None: no limit.

    Raises
    ------
    ScmambaError
        A value is not allowed.

    Examples
    --------
    >>> from scmamba.tasks import CellFilters
    >>> CellFilters(max_mito=0.1).min_genes
    200
    """

    min_genes: int = 200
    min_counts: int | None = None
    max_counts: int | None = None
    max_mito: float | None = 0.2

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("min_genes", self.min_genes, optional=False)
        check_count("min_counts", self.min_counts)
        check_count("max_counts", self.max_counts)
        check_number("max_mito", self.max_mito, low=0, high=1)

    def reasons(self, cells: Expression) -> npt.NDArray[np.object_]:
        """(n,) why a cell is left out: ``"few_genes"``, ``"counts"``, ``"mitochondrial"`` or ""."""
        counts = np.asarray(cells.X.sum(1), dtype=np.float64).ravel()
        found = np.full(len(counts), "", dtype=object)
        names = [str(name).startswith(_MITOCHONDRIAL) for name in cells.var_names]
        if self.max_mito is not None and any(names):
            mito = np.asarray(cells.X[:, np.flatnonzero(names)].sum(1)).ravel()
            found[mito > self.max_mito * counts] = "mitochondrial"
        if self.min_counts is not None:
            found[counts < self.min_counts] = "counts"
        if self.max_counts is not None:
            found[counts > self.max_counts] = "counts"
        found[np.diff(cells.X.indptr) < self.min_genes] = "few_genes"
        return found
