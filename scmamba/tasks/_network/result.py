"""A gene network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from scmamba._describe import Described


@dataclass(frozen=True, repr=False)
class GeneNetwork(Described):
    """Regulators and targets; made by :func:`scmamba.tasks.gene_network`.

    Attributes
    ----------
    edges
        One row per edge, the strongest first: ``regulator``, ``target``, ``weight``,
        ``correlation`` of the two genes in [-1, 1], and ``sign`` of the weight (1 activates, -1
        represses, 0: the method has no sign).
    weights, correlation
        (n_regulators, n_targets) of all pairs, NaN for a gene and itself.
    programs
        Program of each target, a category.
    enrichment
        Known targets among the strongest edges, of the method and of correlation; empty without
        ``known_targets``.
    method, model
        How weights were found.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(60, 30)
    >>> network = scmamba.tasks.gene_network(adata, regulators=["gene_1"], method="correlation")
    >>> network.edges.columns.tolist()
    ['regulator', 'target', 'weight', 'correlation', 'sign']
    """

    edges: pd.DataFrame
    weights: pd.DataFrame
    correlation: pd.DataFrame
    programs: pd.Series
    enrichment: pd.DataFrame
    method: str
    model: str

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        entries = {
            "method": f"{self.method}, {self.model}",
            "regulators": f"{len(self.weights):,}",
            "targets": f"{self.weights.shape[1]:,}",
            "edges": f"{len(self.edges):,}",
            "programs": f"{len(self.programs.cat.categories):,}",
        }
        if len(self.enrichment):
            found = self.enrichment[self.enrichment["fdr"] < 0.05].groupby("method").size()
            entries["enriched"] = ", ".join(f"{name}: {n}" for name, n in found.items()) or "none"
        return "GeneNetwork", entries
