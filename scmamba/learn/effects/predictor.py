"""What every method that predicts effects of perturbations offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats

Effect = Callable[[Floats | None], Floats]
"""Effect (n_genes,) of one perturbation by the control profile (n_genes,) it starts from."""


@dataclass(frozen=True)
class Query:
    """Effects to predict.

    Attributes
    ----------
    perturbations
        (n,) what is perturbed; single perturbations and combinations, seen or unseen.
    contexts
        (n,) names of contexts, seen or unseen.
    controls
        (n, n_genes) mean log-normalized expression of the control cells of each query, or None
        where there are none.
    doses
        (n,) doses, NaN without.

    Examples
    --------
    >>> Query.of([("A",), ("B",)]).contexts
    ('', '')
    """

    perturbations: tuple[Perturbation, ...]
    contexts: tuple[str, ...]
    controls: Floats | None
    doses: npt.NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of effects to predict."""
        return len(self.perturbations)

    @staticmethod
    def of(
        perturbations: Sequence[Perturbation],
        contexts: Sequence[str] | None = None,
        controls: Floats | None = None,
        doses: npt.NDArray[np.float64] | None = None,
    ) -> Query:
        """Make a query; contexts are ``""`` and doses NaN unless they are given."""
        n = len(perturbations)
        return Query(
            tuple(perturbations),
            ("",) * n if contexts is None else tuple(contexts),
            controls,
            np.full(n, np.nan) if doses is None else np.asarray(doses, np.float64),
        )

    @staticmethod
    def rows_of(table: EffectTable) -> Query:
        """Return the query for all rows of a table."""
        controls = table.control_of(table.contexts)
        return Query(table.perturbations, table.contexts, controls, table.doses)


class FittedEffects(Protocol):
    """A method that has learned from a table.

    A prediction depends on its own query only, not on the others.
    """

    def predict(self, query: Query) -> Floats:
        """(n, n_genes) predicted effects, in the unit of the table."""


class EffectPredictor(Protocol):
    """A method that learns effects from a table; settings are the fields of a frozen dataclass.

    Attributes
    ----------
    name
        Name in tables and on the command line.
    """

    name: ClassVar[str]

    def fit(self, table: EffectTable) -> FittedEffects:
        """Learn from all rows of ``table``."""
