"""How strange a cell is, beside the cells that the labels came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.covariance import ledoit_wolf
from sklearn.utils.extmath import randomized_svd

Floats = npt.NDArray[np.float64]

_CLIP = 10.0  # standard deviations


@dataclass(frozen=True)
class Principal:
    """Principal components of standardised log-normalised values, with a Gaussian per class.

    Attributes
    ----------
    mean, scale
        (n_genes,) of the labelled cells.
    components
        (n_genes, k).
    centres
        (n_classes, k) mean of each class; NaN for a class without cells.
    whiten
        (k, k) W with W W^T the inverse of the covariance within classes.
    """

    mean: Floats
    scale: Floats
    components: Floats
    centres: Floats
    whiten: Floats

    def coordinates(self, x: sparse.csr_matrix) -> Floats:
        """(n, k) coordinates of (n, n_genes) values."""
        parts = []
        for start in range(0, x.shape[0], 4096):
            dense = (x[start : start + 4096].toarray() - self.mean) / self.scale
            parts.append(np.clip(dense, -_CLIP, _CLIP) @ self.components)
        return np.concatenate(parts) if parts else np.zeros((0, self.components.shape[1]))

    def distance(self, x: sparse.csr_matrix) -> Floats:
        """(n,) Mahalanobis distance to the nearest class (Lee et al., NeurIPS 2018)."""
        z = self.coordinates(x) @ self.whiten
        centres = (self.centres @ self.whiten)[~np.isnan(self.centres[:, 0])]
        square = (z**2).sum(1)[:, None] - 2 * z @ centres.T + (centres**2).sum(1)
        return np.sqrt(np.maximum(square.min(1), 0))


def fit_principal(
    x: sparse.csr_matrix,
    codes: npt.NDArray[np.int64],
    n_classes: int,
    *,
    n_components: int = 50,
    seed: int = 0,
) -> Principal:
    """Fit :class:`Principal` to labelled cells (n, n_genes)."""
    k = min(n_components, min(x.shape) - 1)
    mean, scale = moments(x)
    components = np.eye(x.shape[1], max(k, 1))
    if k > 0:
        standard = np.clip((x.toarray() - mean) / scale, -_CLIP, _CLIP)
        components = randomized_svd(standard, k, random_state=seed)[2].T
    bare = Principal(mean, scale, components, np.zeros((n_classes, 0)), np.zeros((0, 0)))
    z = bare.coordinates(x)
    centres = np.full((n_classes, z.shape[1]), np.nan)
    for c in np.unique(codes):
        centres[c] = z[codes == c].mean(0)
    covariance = ledoit_wolf(z - centres[codes])[0]
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(np.maximum(values, 1e-6 * max(values.max(), 1e-12)))
    return Principal(mean, scale, components, centres, whiten)


def moments(x: sparse.csr_matrix) -> tuple[Floats, Floats]:
    """Mean and standard deviation (n_genes,) of each column, the latter above 0."""
    mean = np.asarray(x.mean(0), dtype=np.float64).ravel()
    square = np.asarray(x.multiply(x).mean(0), dtype=np.float64).ravel()
    return mean, np.sqrt(np.maximum(square - mean**2, 0)) + 1e-2


@dataclass(frozen=True)
class Strangeness:
    """Two scores on one scale: where a cell stands among held-out cells of known classes.

    Attributes
    ----------
    centre, spread
        (2,) mean and standard deviation of energy and of log distance among held-out cells.
    threshold
        Score above which a cell counts as out of distribution.
    """

    centre: Floats
    spread: Floats
    threshold: float

    def score(self, logits: Floats, distance: Floats) -> Floats:
        """(n,) mean of both z-scores; higher is stranger."""
        return ((_pair(logits, distance) - self.centre) / self.spread).mean(1)


def fit_strangeness(logits: Floats, distance: Floats, false_alarm: float) -> Strangeness:
    """Set scale and threshold so that ``false_alarm`` of the held-out cells count as strange."""
    pair = _pair(logits, distance)
    scale = Strangeness(pair.mean(0), pair.std(0) + 1e-6, np.inf)
    threshold = float(np.quantile(scale.score(logits, distance), 1 - false_alarm))
    return Strangeness(scale.centre, scale.spread, threshold)


def _pair(logits: Floats, distance: Floats) -> Floats:
    """Energy of the logits (Liu et al., NeurIPS 2020) and log distance, side by side (n, 2)."""
    top = logits.max(1)
    energy = -(np.log(np.exp(logits - top[:, None]).sum(1)) + top)
    return np.stack([energy, np.log(distance + 1e-6)], 1)
