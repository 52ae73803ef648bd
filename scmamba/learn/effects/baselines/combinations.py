"""Baselines that make a combination from the effects of its single perturbations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scmamba.learn.effects.baselines.averages import Averages, FittedRows
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats


@dataclass(frozen=True)
class MatchingMean:
    """Mean of the effects of the single perturbations of a combination.

    Single perturbations that were not measured are left out; if none was, the mean effect of the
    context is predicted.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from scmamba.learn.effects.predictor import Query
    >>> table = EffectTable.from_effects(
    ...     np.array([[1.0], [3]]), [("A",), ("B",)], ["", ""], pd.Index(["g"])
    ... )
    >>> MatchingMean().fit(table).predict(Query.of([("A", "B"), ("A", "C")])).ravel().tolist()
    [2.0, 1.0]
    """

    name: ClassVar[str] = "matching_mean"

    def fit(self, table: EffectTable) -> FittedRows:
        """Learn the effects of single perturbations."""
        return _of_singles(table, lambda found, _: np.mean(found, axis=0))


@dataclass(frozen=True)
class Additive:
    """Sum of the effects of the single perturbations of a combination.

    A single perturbation that was not measured counts with the mean effect of the context.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from scmamba.learn.effects.predictor import Query
    >>> table = EffectTable.from_effects(
    ...     np.array([[1.0], [3]]), [("A",), ("B",)], ["", ""], pd.Index(["g"])
    ... )
    >>> Additive().fit(table).predict(Query.of([("A", "B"), ("A", "C")])).ravel().tolist()
    [4.0, 3.0]
    """

    name: ClassVar[str] = "additive"

    def fit(self, table: EffectTable) -> FittedRows:
        """Learn the effects of single perturbations."""
        return _of_singles(table, lambda found, rest: np.sum([*found, *rest], axis=0))


def _of_singles(
    table: EffectTable, join: Callable[[list[Floats], list[Floats]], Floats]
) -> FittedRows:
    """Join measured single effects and, for those that are missing, mean effects."""
    averages = Averages(table)

    def one(perturbation: Perturbation, context: str, _: Floats | None, dose: float) -> Floats:
        effects = [averages.of_perturbation((name,), context, dose) for name in perturbation]
        found = [effect for effect in effects if effect is not None]
        mean = averages.of_context(context)
        return join(found, [mean] * (len(effects) - len(found))) if found else mean

    return FittedRows(one, len(table.genes))
