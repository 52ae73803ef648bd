"""Baselines that ignore which perturbation is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scmamba.learn.effects.baselines.averages import Averages, FittedRows
from scmamba.learn.effects.table import EffectTable


@dataclass(frozen=True)
class NoChange:
    """Perturbed cells are like controls: every change is 0.

    Examples
    --------
    >>> NoChange.name
    'no_change'
    """

    name: ClassVar[str] = "no_change"

    def fit(self, table: EffectTable) -> FittedRows:
        """Learn the number of genes."""
        n_genes = len(table.genes)
        return FittedRows(lambda *_: np.zeros(n_genes), n_genes)


@dataclass(frozen=True)
class MeanEffect:
    """Mean of all training perturbations in the context, or in all contexts if it is unseen.

    Examples
    --------
    >>> MeanEffect.name
    'mean'
    """

    name: ClassVar[str] = "mean"

    def fit(self, table: EffectTable) -> FittedRows:
        """Learn the mean of each context."""
        averages = Averages(table)
        means = {context: averages.of_context(context) for context in {*table.contexts}}
        overall = averages.of_all()
        return FittedRows(lambda _, context, *__: means.get(context, overall), len(table.genes))
