"""Baselines that carry the change of a perturbation over to another context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scmamba.learn.effects.baselines.averages import Averages, FittedRows, Rows
from scmamba.learn.effects.contexts import standardized
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats


@dataclass(frozen=True)
class ContextMeanDelta:
    """Mean change of the perturbation in other contexts, or the mean effect if it is unseen.

    Added to the controls of the new context, this is its predicted profile.

    Examples
    --------
    >>> ContextMeanDelta.name
    'context_delta'
    """

    name: ClassVar[str] = "context_delta"

    def fit(self, table: EffectTable) -> FittedRows:
        """Learn the change of each perturbation."""
        averages = Averages(table)

        def one(perturbation: Perturbation, context: str, _: Floats | None, dose: float) -> Floats:
            rows = averages.rows(perturbation, dose)
            return averages.mean(rows) if len(rows) else averages.of_context(context)

        return FittedRows(one, len(table.genes))


@dataclass(frozen=True)
class SimilarContexts:
    """Change of the perturbation in other contexts, weighted by how alike the controls are.

    Weights are a softmax of the Pearson correlation of control profiles divided by
    ``temperature``. Without control profiles all contexts weigh the same. An unseen perturbation
    gets the mean effect of its context.

    Attributes
    ----------
    temperature
        Divisor of the correlations.

    Examples
    --------
    >>> SimilarContexts().temperature
    0.02
    """

    temperature: float = 0.02
    name: ClassVar[str] = "similar_contexts"

    def fit(self, table: EffectTable) -> FittedRows:
        """Learn the changes and the control profiles."""
        averages = Averages(table)
        known = table.control_of(table.contexts)
        base = None if known is None else standardized(known)

        def weighted(rows: Rows, control: Floats | None) -> Floats:
            if base is None or control is None:
                return averages.mean(rows)
            score = base[rows] @ standardized(control[None])[0] / self.temperature
            weight = np.exp(score - score.max())
            return np.asarray(weight / weight.sum() @ table.effects[rows])

        def one(
            perturbation: Perturbation, context: str, control: Floats | None, dose: float
        ) -> Floats:
            rows = averages.rows(perturbation, dose)
            if not len(rows) and context in table.contexts:
                return averages.of_context(context)
            return weighted(rows if len(rows) else np.arange(len(table)), control)

        return FittedRows(one, len(table.genes))


@dataclass(frozen=True)
class ContextPlusPerturbation:
    """Mean of the context plus mean of the perturbation in other contexts.

    Both are deviations from the mean of all rows, which is added once.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from scmamba.learn.effects.predictor import Query
    >>> table = EffectTable.from_effects(
    ...     np.array([[1.0], [3], [2]]), [("A",), ("B",), ("A",)], ["T", "T", "NK"], pd.Index(["g"])
    ... )
    >>> ContextPlusPerturbation().fit(table).predict(Query.of([("B",)], ["NK"])).tolist()
    [[3.0]]
    """

    name: ClassVar[str] = "context_plus_perturbation"

    def fit(self, table: EffectTable) -> FittedRows:
        """Learn the mean of each context, and the deviation of each perturbation from it."""
        averages = Averages(table)
        means = {context: averages.of_context(context) for context in {*table.contexts}}
        overall = averages.of_all()

        def one(perturbation: Perturbation, context: str, _: Floats | None, dose: float) -> Floats:
            mean = means.get(context, overall)
            rows = averages.rows(perturbation, dose)
            rest = [table.effects[i] - means[table.contexts[i]] for i in rows]
            return mean + np.mean(rest, axis=0) if rest else mean

        return FittedRows(one, len(table.genes))
