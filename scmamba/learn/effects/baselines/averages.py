"""Lookups and averages of measured effects that several baselines share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.predictor import Query
from scmamba.learn.effects.table import EffectTable, Floats

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Averages:
    """Averages over rows of a table, from specific to general.

    Attributes
    ----------
    table
        Measured effects.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> table = EffectTable.from_effects(
    ...     np.array([[1.0], [3]]), [("A",), ("B",)], ["T", "NK"], pd.Index(["g"])
    ... )
    >>> averages = Averages(table)
    >>> averages.of_context("T"), averages.of_context("mast")
    (array([1.]), array([2.]))
    """

    table: EffectTable
    _contexts: dict[str, Rows] = field(init=False, repr=False)
    _perturbations: dict[Perturbation, Rows] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Index the rows."""
        object.__setattr__(self, "_contexts", _index(self.table.contexts))
        object.__setattr__(self, "_perturbations", _index(self.table.perturbations))

    def rows(self, perturbation: Perturbation, dose: float = np.nan) -> Rows:
        """Rows of a perturbation, all contexts; at the given dose, or at the nearest measured."""
        rows = self._perturbations.get(perturbation, np.empty(0, np.int64))
        doses = self.table.doses[rows]
        known = ~np.isnan(doses)
        if not len(rows) or np.isnan(dose) or not known.any():
            return rows
        away = np.abs(np.log1p(doses[known]) - np.log1p(dose))
        return rows[known][away == away.min()]

    def of_all(self) -> Floats:
        """(n_genes,) mean over contexts of the mean of each context."""
        means = [
            self.table.effects[rows].mean(0, dtype=np.float64) for rows in self._contexts.values()
        ]
        return np.asarray(np.mean(means, axis=0))

    def of_context(self, context: str) -> Floats:
        """(n_genes,) mean of a context; of all if it is unknown."""
        rows = self._contexts.get(context)
        return self.of_all() if rows is None else self.mean(rows)

    def of_perturbation(
        self, perturbation: Perturbation, context: str, dose: float = np.nan
    ) -> Floats | None:
        """(n_genes,) mean of a perturbation in a context, else in all others; None if unseen."""
        rows = self.rows(perturbation, dose)
        if not len(rows):
            return None
        same = rows[[self.table.contexts[i] == context for i in rows]]
        return self.mean(same if len(same) else rows)

    def mean(self, rows: Rows) -> Floats:
        """(n_genes,) mean of some rows."""
        return np.asarray(self.table.effects[rows].mean(0, dtype=np.float64))


@dataclass(frozen=True)
class FittedRows:
    """Predicts each row by a function of its perturbation, context, control profile and dose.

    Attributes
    ----------
    one
        Function that returns (n_genes,) change; the control profile is None where there is none.
    n_genes
        Number of genes.
    """

    one: Callable[[Perturbation, str, Floats | None, float], Floats]
    n_genes: int

    def predict(self, query: Query) -> Floats:
        """(n, n_genes) predicted effects; 0 for controls."""
        found = np.zeros((len(query), self.n_genes))
        for i, (perturbation, context) in enumerate(
            zip(query.perturbations, query.contexts, strict=True)
        ):
            if perturbation:
                control = None if query.controls is None else query.controls[i]
                found[i] = self.one(perturbation, context, control, float(query.doses[i]))
        return found


def _index(values: tuple[object, ...]) -> dict[object, Rows]:
    found: dict[object, list[int]] = {}
    for i, value in enumerate(values):
        found.setdefault(value, []).append(i)
    return {value: np.array(rows) for value, rows in found.items()}
