"""Baseline: ridge regression on both sides, embeddings of genes and of perturbations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scmamba.learn.effects.baselines.averages import Averages, FittedRows
from scmamba.learn.effects.baselines.embeddings import Embedding
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats


@dataclass(frozen=True)
class TwoSidedRidge:
    """Linear model ``Y - mean = G K P``.

    ``G`` holds embeddings of measured genes, ``P`` embeddings of perturbations, and ``K`` is found
    by ridge regression on both sides. Perturbations without an embedding get the mean effect. One
    model is fitted per context; an unseen context gets the mean of the models of all contexts.

    Attributes
    ----------
    embedding
        Vectors of the targets; None for principal components of the training effects, in which only
        perturbed genes that are measured have a vector.
    n_components
        Number of principal components for ``G``, and for ``P`` without an embedding.
    penalty
        Ridge penalty of both sides.

    Notes
    -----
    Ahlmann-Eltze, Huber and Anders, Deep-learning-based gene perturbation effect prediction does
    not yet outperform simple linear baselines, Nature Methods 2025.

    Examples
    --------
    >>> TwoSidedRidge().penalty
    0.1
    """

    embedding: Embedding | None = None
    n_components: int = 10
    penalty: float = 0.1
    name: ClassVar[str] = "ridge"

    def fit(self, table: EffectTable) -> FittedRows:
        """Solve for ``K`` in each context."""
        embedding = self.embedding or Embedding.of_effects(table, self.n_components)
        averages = Averages(table)
        sides = {context: self._side(table, embedding, context) for context in {*table.contexts}}

        def one(perturbation: Perturbation, context: str, _: Floats | None, __: float) -> Floats:
            vector, known = embedding.perturbations([perturbation])
            mean = averages.of_context(context)
            if not known[0]:
                return mean
            used = [sides[context]] if context in sides else list(sides.values())
            return mean + np.mean([side @ vector[0] for side in used], axis=0)

        return FittedRows(one, len(table.genes))

    def _side(self, table: EffectTable, embedding: Embedding, context: str) -> Floats:
        """(n_genes, d) ``G K`` of one context."""
        rows = np.flatnonzero(np.array(table.contexts, dtype=object) == context)
        vectors, known = embedding.perturbations([table.perturbations[i] for i in rows])
        if not known.any():
            return np.zeros((len(table.genes), vectors.shape[1]))
        effects = table.effects[rows].astype(np.float64)
        y = (effects - effects.mean(0))[known].T
        g = Embedding.of_effects(table.where(rows), self.n_components).vectors
        p = vectors[known].T
        left = np.linalg.solve(g.T @ g + self.penalty * np.eye(g.shape[1]), g.T @ y)
        k = np.linalg.solve(p @ p.T + self.penalty * np.eye(len(p)), p @ left.T).T
        return np.asarray(g @ k)
