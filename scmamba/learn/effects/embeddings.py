"""Similarity of genes from several sources: gene sets, and tables of gene embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.learn.effects.gene_sets import GeneSets
from scmamba.learn.effects.table import Floats


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
        single = {}
        if self.gene_sets is not None:
            single["gene sets"] = self.gene_sets.similarity(names, others)
        for source, table in self.tables.items():
            single[source] = np.maximum(_cosine(table, names, others), 0)
        same = np.equal.outer(np.array(names, object), np.array(others, object))
        found = {}
        for source, kernel in single.items():
            found[source] = np.where(same, 1.0, kernel)
            found[f"{source} squared"] = found[source] ** 2
            found[f"{source}, both"] = (found[source] + found[source] ** 2) / 2
        if len(single) > 1:
            found["all"] = np.mean([found[source] for source in single], axis=0)
            found["all squared"] = np.mean([found[f"{one} squared"] for one in single], axis=0)
        return found


def _cosine(table: pd.DataFrame, names: Sequence[str], others: Sequence[str]) -> Floats:
    """(n, n_others) cosine of centered embeddings; 0 for genes that are not in the table."""
    values = table.to_numpy(float)
    centered = values - values.mean(0)
    length = np.linalg.norm(centered, axis=1, keepdims=True)
    unit = np.vstack([centered / np.where(length > 0, length, 1), np.zeros(values.shape[1])])
    left, right = (unit[table.index.get_indexer(pd.Index(one))] for one in (names, others))
    return np.asarray(left @ right.T)
