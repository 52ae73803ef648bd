"""A block of control cells, moved by one perturbation after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.effects.model import FittedEffectModel
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.predictor import Query
from scmamba.learn.effects.table import Floats, Ints
from scmamba.tasks._perturbation.sampling import as_counts, perturbed_cells
from scmamba.tasks._perturbation.spread import Spread


@dataclass(frozen=True)
class CellBlock:
    """Control cells that are predicted together, with what no perturbation changes.

    Attributes
    ----------
    fitted
        Predicts effects.
    values
        (n, n_genes) log-normalized cells, CSR.
    denoised
        (n, n_genes) the same on the principal axes of control cells.
    start
        (n, n_genes) mean of control cells like each of these.
    rows_of
        Cells of each context whose effects were measured.
    controls
        (1, n_genes) control profile of each of these contexts.
    alone
        Cells of no such context: each is compared with all contexts by itself.
    contexts
        (n,) context of each cell; "" where it has none.
    totals
        (n,) counts of each cell, or None where cells were not given as counts.
    """

    fitted: FittedEffectModel
    values: sparse.csr_matrix
    denoised: Floats
    start: Floats
    rows_of: Mapping[str, Ints]
    controls: Mapping[str, Floats]
    alone: Ints
    contexts: npt.NDArray[np.object_]
    totals: npt.NDArray[np.float64] | None

    def changes(self, perturbation: Perturbation, dose: float) -> Floats:
        """(n, n_genes) predicted change of each cell."""
        found = np.empty_like(self.denoised)
        for name, mine in self.rows_of.items():
            query = Query.of([perturbation], [name], self.controls[name], np.array([dose]))
            found[mine] = self.fitted.predict(query)[0]
        if n := len(self.alone):
            controls, doses = self.denoised[self.alone], np.full(n, dose)
            names = [str(name) for name in self.contexts[self.alone]]
            query = Query.of([perturbation] * n, names, controls, doses)
            found[self.alone] = self.fitted.predict(query)
        return found

    def perturbed(
        self, perturbation: Perturbation, dose: float, spread: Spread, seed: int
    ) -> sparse.csr_matrix:
        """(n, n_genes) predicted cells, counts where the control cells were."""
        found = self.values
        if perturbation:
            change = self.changes(perturbation, dose)
            found = perturbed_cells(found, change, self.start, seed, spread)
        return found if self.totals is None else as_counts(found, self.totals)
