"""What a method of the comparison does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scmamba.benchmark._perturbation.split import PerturbationSplit
from scmamba.learn.effects.table import Floats


@dataclass(frozen=True)
class PredictedEffects:
    """What a method predicts for the requests of a split.

    Attributes
    ----------
    changes
        (n_requests, n_genes) change of mean log-normalized expression, or of the given score.
    cells
        Of each request (n_cells, n_genes) predicted log-normalized cells; None for the control
        cells of its context moved by its change, at least 0.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.benchmark import PredictedEffects
    >>> PredictedEffects(np.zeros((3, 200))).changes.shape  # 3 requests, 200 genes
    (3, 200)
    """

    changes: Floats
    cells: list[Floats] | None = None

    def cells_of(self, split: PerturbationSplit, i: int) -> Floats:
        """(n_cells, n_genes) predicted cells of a request."""
        if self.cells is not None:
            return self.cells[i]
        x = split.controls(split.requests[i][0]).X
        dense = x.toarray() if hasattr(x, "toarray") else np.asarray(x)
        return np.asarray(np.maximum(dense + self.changes[i].astype(np.float32), 0))


@dataclass(frozen=True)
class PerturbationMethod:
    """A method of the comparison.

    Attributes
    ----------
    run
        Function of a split and a seed that returns the predictions.
    title
        Name in tables.
    needs_cells
        Whether it cannot learn from given effects.
    named_only
        Whether it runs only where it is named.

    Examples
    --------
    A method that predicts no change:

    >>> import numpy as np
    >>> from scmamba.benchmark import PerturbationMethod, PredictedEffects
    >>> def no_change(split, seed):
    ...     return PredictedEffects(np.zeros((len(split.requests), split.train.n_vars)))
    >>> PerturbationMethod(no_change, "no change").needs_cells
    False
    """

    run: Callable[[PerturbationSplit, int], PredictedEffects]
    title: str
    needs_cells: bool = False
    named_only: bool = False
