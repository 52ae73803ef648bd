"""Baseline on cells: a shift in the space of principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import Floats

Contexts = npt.NDArray[Any]


@dataclass(frozen=True)
class LatentShift:
    """Moves control cells along the mean shift of a perturbation in principal components.

    The shift is the mean over contexts of the difference between perturbed cells and controls,
    with as many of each, as in scGen (Lotfollahi et al., Nature Methods 2019), whose autoencoder
    is replaced by principal components.

    Attributes
    ----------
    n_components
        Number of principal components.
    seed
        Seed of the components.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(8, 3))
    >>> x[4:, 0] += 5
    >>> fitted = LatentShift(2).fit(x, [()] * 4 + [("A",)] * 4, [""] * 8)
    >>> fitted.cells(x[:4], ("A",)).shape
    (4, 3)
    """

    n_components: int = 50
    seed: int = 0
    name: ClassVar[str] = "latent_shift"

    def fit(
        self, x: Any, perturbations: list[Perturbation], contexts: list[str]
    ) -> FittedLatentShift:
        """Learn components and shifts.

        Parameters
        ----------
        x
            (n_cells, n_genes) log-normalized expression, sparse or dense.
        perturbations
            (n_cells,) what is perturbed; ``()`` in controls.
        contexts
            (n_cells,) context of each cell.

        Raises
        ------
        ScmambaError
            If no context has both controls and perturbed cells.
        """
        from sklearn.decomposition import PCA

        n = max(1, min(self.n_components, x.shape[0] - 1, x.shape[1] - 1))
        model = PCA(n, svd_solver="arpack" if n > 1 else "auto", random_state=self.seed).fit(x)
        latent = np.asarray(model.transform(x))
        where = np.array(contexts, dtype=object)
        codes, names = _codes(perturbations)
        control = np.array([not one for one in perturbations])
        shifts: dict[Perturbation, list[Floats]] = {}
        for context in dict.fromkeys(contexts):
            base = (where == context) & control
            if not base.any():
                continue
            middle = latent[base].mean(0)
            for code, name in enumerate(names):
                rows = (where == context) & (codes == code)
                if name and rows.any():
                    shifts.setdefault(name, []).append(latent[rows].mean(0) - middle)
        if not shifts:
            raise ScmambaError("no context has both controls and perturbed cells")
        means = {name: np.mean(found, axis=0) for name, found in shifts.items()}
        overall = np.mean(list(means.values()), axis=0)
        return FittedLatentShift(np.asarray(model.components_), model.mean_, means, overall)


@dataclass(frozen=True)
class FittedLatentShift:
    """Components and shifts.

    Attributes
    ----------
    components
        (d, n_genes) principal components.
    mean
        (n_genes,) mean expression.
    shifts
        (d,) shift of each perturbation.
    overall
        (d,) mean shift, for unseen perturbations.
    """

    components: Floats
    mean: Floats
    shifts: dict[Perturbation, Floats]
    overall: Floats

    def cells(self, control: Any, perturbation: Perturbation) -> Floats:
        """(n_cells, n_genes) predicted cells from control cells of any context.

        Cells are rebuilt from their components alone, as scGen decodes them, and are at least 0.
        Combinations move along the sum of their measured shifts.
        """
        latent = np.asarray((control - self.mean) @ self.components.T)
        return np.maximum((latent + self._shift(perturbation)) @ self.components + self.mean, 0)

    def _shift(self, perturbation: Perturbation) -> Floats:
        if not perturbation:
            return np.zeros(len(self.components))
        if perturbation in self.shifts:
            return self.shifts[perturbation]
        found = [self.shifts[(one,)] for one in perturbation if (one,) in self.shifts]
        return np.sum(found, axis=0) if found else self.overall


def _codes(
    perturbations: list[Perturbation],
) -> tuple[npt.NDArray[np.int64], list[Perturbation]]:
    names = list(dict.fromkeys(perturbations))
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[one] for one in perturbations]), names
