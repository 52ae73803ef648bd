"""Similarity of genes from several sources: gene sets, and tables of gene embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.learn.effects.gene_sets import GeneSets
from scmamba.learn.effects.table import Floats

GENE_SETS, ALL = "gene sets", "all"
FORMS: dict[str, Callable[[Floats], Floats]] = {
    "": lambda kernel: kernel,
    " squared": lambda kernel: kernel**2,
    ", both": lambda kernel: (kernel + kernel**2) / 2,
}
"""Forms in which a similarity is tried; each keeps it positive semi-definite."""


@dataclass(frozen=True)
class GeneEmbeddings:
    """Sources of similarity between genes.

    Parameters
    ----------
    gene_sets
        Gene sets, or None.
    tables
        Embeddings by name of the source: one row per gene, numeric columns.

    Raises
    ------
    ScmambaError
        If a table holds values that are not finite, or a gene twice.

    Examples
    --------
    >>> import pandas as pd
    >>> mine = pd.DataFrame([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], index=["A", "B", "C"])
    >>> GeneEmbeddings(tables={"mine": mine}).kernels(["A"], ["B", "C"])["mine"].round().tolist()
    [[1.0, 0.0]]
    """

    gene_sets: GeneSets | None = field(default=None, repr=False)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Check the tables."""
        for name, table in self.tables.items():
            if not table.index.is_unique:
                raise ScmambaError(f"gene embeddings {name!r} hold a gene twice; keep one row")
            if not np.isfinite(table.to_numpy(float)).all():
                raise ScmambaError(f"gene embeddings {name!r} hold values that are not finite")

    def known(self, names: Sequence[str]) -> list[bool]:
        """Whether each name is a gene to at least one source."""
        return [
            (self.gene_sets is not None and self.gene_sets.is_gene(name))
            or any(name in table.index for table in self.tables.values())
            for name in names
        ]

    def kernels(self, names: Sequence[str], others: Sequence[str]) -> dict[str, Floats]:
        """(n, n_others) similarities in [0, 1] by source, and powers and means of them.

        A gene is as similar to itself as possible, whether or not a source knows it.
        """
        single = {one: self._of_source(one, names, others) for one in self.sources}
        found = {}
        for source, kernel in single.items():
            for form, function in FORMS.items():
                found[source + form] = function(kernel)
        if len(single) > 1:
            for form in ("", " squared"):
                found[ALL + form] = np.mean([found[one + form] for one in single], axis=0)
        return found

    def kernel(self, choice: str, names: Sequence[str], others: Sequence[str]) -> Floats:
        """(n, n_others) one of :meth:`kernels`, by its name there, without making the others."""
        for form, function in FORMS.items():
            for source in self.sources:
                if choice == source + form:
                    return function(self._of_source(source, names, others))
            if choice == ALL + form:
                parts = [function(self._of_source(s, names, others)) for s in self.sources]
                return np.asarray(np.mean(parts, axis=0))
        raise KeyError(choice)

    @property
    def sources(self) -> list[str]:
        """Names of the sources."""
        return [*([] if self.gene_sets is None else [GENE_SETS]), *self.tables]

    def _of_source(self, source: str, names: Sequence[str], others: Sequence[str]) -> Floats:
        """(n, n_others) similarity in one source, 1 of a gene with itself."""
        if source == GENE_SETS:
            assert self.gene_sets is not None
            found = self.gene_sets.similarity(names, others)
        else:
            found = np.maximum(_cosine(self.tables[source], names, others), 0)
        same = np.equal.outer(np.array(names, object), np.array(others, object))
        return np.where(same, 1.0, found)


def _cosine(table: pd.DataFrame, names: Sequence[str], others: Sequence[str]) -> Floats:
    """(n, n_others) cosine of centered embeddings; 0 for genes that are not in the table."""
    values = table.to_numpy(float)
    centered = values - values.mean(0)
    length = np.linalg.norm(centered, axis=1, keepdims=True)
    unit = np.vstack([centered / np.where(length > 0, length, 1), np.zeros(values.shape[1])])
    left, right = (unit[table.index.get_indexer(pd.Index(one))] for one in (names, others))
    return np.asarray(left @ right.T)
