"""Baseline: mean of the nearest training perturbations by embeddings of their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scmamba.learn.effects.baselines.averages import Averages, FittedRows
from scmamba.learn.effects.baselines.embeddings import Embedding
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats


@dataclass(frozen=True)
class NearestPerturbations:
    """Mean effect of the ``k`` training perturbations with the most similar embedding.

    Neighbors are searched in the context of the prediction, or everywhere if it is unseen.
    Perturbations without an embedding get the mean effect.

    Attributes
    ----------
    embedding
        Vectors of the targets; None for principal components of the training effects, in which only
        perturbed genes that are measured have a vector.
    k
        Number of neighbors.

    Examples
    --------
    >>> NearestPerturbations().k
    10
    """

    embedding: Embedding | None = None
    k: int = 10
    name: ClassVar[str] = "nearest"

    def fit(self, table: EffectTable) -> FittedRows:
        """Learn the vectors of the training perturbations."""
        embedding = self.embedding or Embedding.of_effects(table)
        averages = Averages(table)
        vectors, known = embedding.perturbations(table.perturbations)
        vectors = _unit(vectors)
        contexts = np.array(table.contexts, dtype=object)

        def one(perturbation: Perturbation, context: str, _: Floats | None, __: float) -> Floats:
            vector, found = embedding.perturbations([perturbation])
            same = contexts == context
            rows = np.flatnonzero(known & (same if same.any() else True))
            if not found[0] or not len(rows):
                return averages.of_context(context)
            likeness = vectors[rows] @ _unit(vector)[0]
            nearest = rows[np.argsort(-likeness, kind="stable")[: self.k]]
            return averages.mean(nearest)

        return FittedRows(one, len(table.genes))


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1))
