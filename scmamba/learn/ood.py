"""How far a cell is from the cells with known labels: out-of-distribution scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.axes import Axes

Floats = npt.NDArray[np.float64]

_COMPONENTS = 20
EQUAL_WEIGHT = 0.5
"""Of the uncertainty in the score: the distance has the same."""
_SHIFT_MARGIN = 0.02
"""Difference of mean scores that counts."""


@dataclass(frozen=True)
class ClassGaussians(Axes):
    """Principal components of standardized log-normalized values, with a Gaussian per class.

    Attributes
    ----------
    mean, scale, components
        Mean, scale and components of :class:`Axes`.
    centers
        (n_classes, k) mean of each class; NaN for a class without cells.
    whiten
        (k, k) W with W W^T the inverse of the covariance within classes.
    """

    centers: Floats
    whiten: Floats

    def distance(self, x: sparse.csr_matrix) -> Floats:
        """(n,) Mahalanobis distance to the nearest class (Lee et al., NeurIPS 2018)."""
        z = self.coordinates(x) @ self.whiten
        centers = (self.centers @ self.whiten)[~np.isnan(self.centers[:, 0])]
        square = (z**2).sum(1)[:, None] - 2 * z @ centers.T + (centers**2).sum(1)
        return np.sqrt(np.maximum(square.min(1), 0))


def fit_class_gaussians(
    axes: Axes, x: sparse.csr_matrix, codes: npt.NDArray[np.int64], n_classes: int
) -> ClassGaussians:
    """Fit :class:`ClassGaussians` to labeled cells (n, n_genes), in 20 components at most."""
    from sklearn.covariance import ledoit_wolf

    axes = Axes(axes.mean, axes.scale, axes.components[:, :_COMPONENTS])
    z = axes.coordinates(x)
    centers = np.full((n_classes, z.shape[1]), np.nan)
    for c in np.unique(codes):
        centers[c] = z[codes == c].mean(0)
    covariance = ledoit_wolf(z - centers[codes])[0]
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(np.maximum(values, 1e-6 * max(values.max(), 1e-12)))
    return ClassGaussians(axes.mean, axes.scale, axes.components, centers, whiten)


@dataclass(frozen=True)
class OODScorer:
    """Uncertainty and distance on one scale: the rank among held-out cells of known classes.

    Attributes
    ----------
    quantiles
        (2, n) quantiles, ascending, of uncertainty and of log distance among held-out cells.
    threshold
        Score above which a cell is rejected as out of distribution.
    uncertainty_weight
        Weight of the uncertainty in [0, 1]; the distance has the rest.
    """

    quantiles: Floats
    threshold: float
    uncertainty_weight: float = EQUAL_WEIGHT

    def score(self, log_proba: Floats, distance: Floats) -> Floats:
        """(n,) weighted mean of both ranks, in [0, 1]; higher is further from the known classes.

        Parameters
        ----------
        log_proba
            (n, n_classes) of both components together; the uncertainty is minus the highest
            (Hendrycks and Gimpel, ICLR 2017).
        distance
            (n,) of :meth:`ClassGaussians.distance`.
        """
        ranks = np.linspace(0, 1, self.quantiles.shape[1])
        pairs = zip(_features(log_proba, distance), self.quantiles, strict=True)
        both = [np.interp(feature, known, ranks) for feature, known in pairs]
        weights = [self.uncertainty_weight, 1 - self.uncertainty_weight]
        return np.average(both, axis=0, weights=weights)


NO_REJECTION = OODScorer(np.array([[0.0, 50.0], [-10.0, 10.0]]), np.inf)
"""Without held-out cells: no cell is rejected."""


def fit_ood_scorer(
    log_proba: Floats, distance: Floats, ood_fpr: float, uncertainty_weight: float = EQUAL_WEIGHT
) -> OODScorer:
    """Set scale and threshold so that ``ood_fpr`` of the held-out cells are rejected."""
    grid = np.linspace(0, 1, 1001)
    quantiles = np.stack([np.quantile(feature, grid) for feature in _features(log_proba, distance)])
    scale = OODScorer(quantiles, np.inf, uncertainty_weight)
    threshold = float(np.quantile(scale.score(log_proba, distance), 1 - ood_fpr))
    return OODScorer(quantiles, threshold, uncertainty_weight)


def _features(log_proba: Floats, distance: Floats) -> tuple[Floats, Floats]:
    return -log_proba.max(1), np.log(distance + 1e-6)


def shift_by_batch(score: Floats, batches: npt.NDArray[np.object_] | None) -> dict[str, float]:
    """Mean out-of-distribution score of the held-out cells of each batch.

    Cells of a batch that is no further from the training cells than the others have about 0.5.

    Parameters
    ----------
    score
        (n,) of :meth:`OODScorer.score`, for held-out cells.
    batches
        (n,) their batches; None: they count as one, named ``"all"``.

    Examples
    --------
    >>> shift_by_batch(np.array([0.2, 0.4, 0.9]), np.array(["a", "a", "b"], dtype=object))
    {'a': 0.3, 'b': 0.9}
    """
    names = np.full(len(score), "all") if batches is None else batches.astype(str)
    return {str(name): float(score[names == name].mean().round(4)) for name in np.unique(names)}


def larger_shift(shift: float, held_out: Mapping[str, float]) -> bool:
    """Whether cells are clearly further from the training cells than any held-out batch was."""
    return bool(held_out) and shift > max(held_out.values()) + _SHIFT_MARGIN
