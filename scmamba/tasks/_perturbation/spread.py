"""How widely single cells scatter around a mean, and how many have none, by the mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.effects.table import Floats

_KNOTS = 40
_FEWEST_CELLS = 20
"""Groups of fewer cells say little about a spread."""
_FEWEST_POINTS = 20
FEW_ZEROS = 0.3
"""Expected share of cells without a gene below which its expression has one mode."""


@dataclass(frozen=True)
class Spread:
    """Standard deviation and share of zeros of log-normalized expression by its mean.

    Attributes
    ----------
    means
        (n_knots,) means, ascending; none where there are too few cells to tell.
    deviations
        (n_knots,) median standard deviation of genes with such a mean.
    zeros
        (n_knots,) median share of cells without the gene, in [0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> spread = Spread(np.array([0.0, 2.0]), np.array([0.0, 1.0]), np.array([1.0, 0.0]))
    >>> spread.deviation(np.ones(1))
    array([0.5])
    """

    means: Floats
    deviations: Floats
    zeros: Floats

    @staticmethod
    def unknown() -> Spread:
        """Return a spread that is not known, with which cells keep that of their controls."""
        return Spread(np.zeros(0), np.zeros(0), np.zeros(0))

    @staticmethod
    def of_groups(values: sparse.csr_matrix, groups: npt.NDArray[np.int64]) -> Spread:
        """Learn from cells (n_cells, n_genes) in groups within which nothing differs.

        Parameters
        ----------
        values
            Log-normalized expression.
        groups
            (n_cells,) group of each cell, such as one perturbation in one cell type; negative
            numbers belong to none.
        """
        points = []
        for group in np.unique(groups[groups >= 0]):
            rows = np.flatnonzero(groups == group)
            if len(rows) < _FEWEST_CELLS:
                continue
            part = values[rows]
            mean = np.asarray(part.mean(0), np.float64).ravel()
            square = np.asarray(part.power(2).mean(0), np.float64).ravel()
            deviation = np.sqrt(np.maximum(square - mean**2, 0))
            zero = 1 - part.getnnz(0) / len(rows)
            points.append(np.stack([mean, deviation, zero])[:, mean > 0.05])
        if not points or (found := np.concatenate(points, 1)).shape[1] < _FEWEST_POINTS:
            return Spread.unknown()
        # bins of equal width: strongly expressed genes are few, and they are those that matter
        edges = np.linspace(found[0].min(), found[0].max() + 1e-9, _KNOTS + 1)
        bins = np.digitize(found[0], edges) - 1
        knots = [np.median(found[:, bins == i], 1) for i in range(_KNOTS) if (bins == i).any()]
        means, deviations, zeros = np.array(knots).T
        return Spread(means, deviations, np.minimum.accumulate(zeros))

    def deviation(self, means: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return the expected standard deviation at some means."""
        return np.interp(means, self.means, self.deviations)

    def zero_share(self, means: npt.NDArray[np.floating[Any]]) -> Floats:
        """Return the expected share of cells with none at some means."""
        return np.interp(means, self.means, self.zeros)

    def is_unimodal(self, means: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.bool_]:
        """Whether nearly all cells express a gene of such a mean."""
        if not len(self.means):
            return np.zeros(np.shape(means), bool)
        return self.zero_share(means) < FEW_ZEROS

    def moved(self, values: Floats, before: Floats, after: Floats, uniform: Floats) -> Floats:
        """Values at the same quantile of the expression after a perturbation.

        Parameters
        ----------
        values
            (k,) expression of a gene in a control cell.
        before, after
            (k,) mean of the gene in cells like it, without and with the perturbation.
        uniform
            (k,) random numbers in [0, 1), which rank the cells that have none of the gene.

        Returns
        -------
        (k,) expression: the quantile of a normal distribution with the mean ``after`` and the
        standard deviation of genes with such a mean. Before, a share of cells has none, and the
        others are normal around their own mean.
        """
        from scipy.special import ndtr, ndtri

        none = np.clip(self.zero_share(before), 0.0, 0.999)
        some = before / (1 - none)
        square = (self.deviation(before) ** 2 + before**2) / (1 - none) - some**2
        scatter = np.sqrt(np.maximum(square, 1e-4))
        higher = none + (1 - none) * ndtr((values - some) / scatter)
        rank = np.clip(np.where(values > 0, higher, none * uniform), 0.005, 0.995)
        found = after + self.deviation(after) * ndtri(rank)
        return np.asarray(np.maximum(found, 0.0))
