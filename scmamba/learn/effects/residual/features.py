"""What a residual network reads of an effect: genes, perturbations, controls, the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from scmamba.learn.effects.embeddings import ALL, GeneEmbeddings
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats, Ints

_COMPONENTS = 24
"""Dimensions of the vectors of genes from effects, and of perturbations from prior knowledge."""


@dataclass(frozen=True)
class Reader:
    """Makes inputs of a residual network.

    Attributes
    ----------
    columns
        (L,) columns of the genes that are corrected.
    names
        (L,) their names.
    known
        Single perturbations on whose similarities the vectors of perturbations rest.
    axes
        (n_known, d) map from similarities to vectors.
    scale
        Unit of effects: their standard deviation.
    embeddings
        Prior knowledge of genes, or None.
    """

    columns: Ints
    names: tuple[str, ...]
    known: tuple[str, ...]
    axes: Floats
    scale: float
    embeddings: GeneEmbeddings | None

    @staticmethod
    def of(table: EffectTable, embeddings: GeneEmbeddings | None, n_genes: int) -> Reader:
        """Choose genes by the size of their effects."""
        size = np.square(table.effects, dtype=np.float64).mean(0)
        columns = np.sort(np.argsort(-size, kind="stable")[:n_genes])
        known = tuple(sorted({name for one in table.perturbations for name in one}))
        kernel = _similarity(embeddings, known, known)
        values, vectors = np.linalg.eigh(kernel)
        kept = [i for i in np.argsort(-values)[:_COMPONENTS] if values[i] > 1e-6 * values.max()]
        scale = float(np.sqrt(size[columns].mean())) or 1.0
        return Reader(
            columns,
            tuple(str(table.genes[i]) for i in columns),
            known,
            vectors[:, kept] / np.sqrt(values[kept]) * np.sqrt(len(known)),
            scale,
            embeddings,
        )

    @property
    def d_perturbation(self) -> int:
        """Size of the vector of a perturbation."""
        return int(self.axes.shape[1])

    def genes(self, effects: Floats, tables: Sequence[pd.DataFrame]) -> Tensor:
        """(L, d) vectors of the genes: principal axes of effects, and given embeddings."""
        centered = np.asarray(effects[:, self.columns], np.float64) / self.scale
        parts = [_components(centered.T)]
        for table in tables:
            place = table.index.get_indexer(pd.Index(self.names))
            values = np.where(place[:, None] >= 0, table.to_numpy(float)[place], 0.0)
            parts.append(_components(values - values.mean(0)))
        return torch.from_numpy(np.concatenate(parts, 1).astype(np.float32))

    def read(
        self, perturbations: Sequence[Perturbation], controls: Floats | None, baseline: Floats
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the inputs of the network for n effects.

        Parameters
        ----------
        perturbations
            (n,) perturbations.
        controls
            (n, n_genes) control profiles, or None where there are none.
        baseline
            (n, n_genes) effects that are predicted without the network.
        """
        return *self.values(controls, baseline), *self.describe(perturbations)

    def values(self, controls: Floats | None, baseline: Floats) -> tuple[Tensor, Tensor]:
        """Return expression (n, L) of control cells, and effects (n, L) in the reader's unit."""
        n = len(baseline)
        before = np.zeros((n, len(self.columns))) if controls is None else controls[:, self.columns]
        inputs = (before, baseline[:, self.columns] / self.scale)
        first, second = (torch.from_numpy(np.asarray(x, np.float32)) for x in inputs)
        return first, second

    def describe(self, perturbations: Sequence[Perturbation]) -> tuple[Tensor, Tensor]:
        """Return flags (n, L) of perturbed genes, and vectors (n, d_perturbation)."""
        flags = np.array([[name in one for name in self.names] for one in perturbations])
        vectors = np.zeros((len(perturbations), self.d_perturbation))
        for i, one in enumerate(perturbations):
            if one:
                vectors[i] = _similarity(self.embeddings, one, self.known).sum(0) @ self.axes
        first, second = (torch.from_numpy(np.asarray(x, np.float32)) for x in (flags, vectors))
        return first, second


def _similarity(
    embeddings: GeneEmbeddings | None, names: Sequence[str], others: Sequence[str]
) -> Floats:
    """(n, n_others) similarity in all sources together; without any, of a name with itself."""
    if embeddings is None:
        return np.equal.outer(np.array(names, object), np.array(others, object)).astype(float)
    sources = embeddings.sources
    return embeddings.kernel(sources[0] if len(sources) == 1 else ALL, names, others)


def _components(rows: Floats) -> Floats:
    """(n, d) principal components of rows (n, k), of unit variance on average."""
    left, values, _ = np.linalg.svd(rows, full_matrices=False)
    found = left[:, :_COMPONENTS] * values[:_COMPONENTS]
    return np.asarray(found / max(float(found.std()), 1e-12))
