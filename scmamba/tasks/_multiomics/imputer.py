"""One modality predicted from the others: three predictors, weighted on held-out cells."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.blocks import Blocks
from scmamba.tasks._multiomics.ridge import Ridge, fit_ridge
from scmamba.tasks._multiomics.trained import Trained

N_NEIGHBORS = 30
_MOST_TARGETS, _MOST_NEIGHBORED = 5_000, 500
_ALONE = 1e-9
PARTS = ("neural", "ridge", "neighbors")
"""Names of the predictors."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Imputer:
    """Predicts log1p counts of one modality from the other ones of a cell.

    Attributes
    ----------
    target
        Position of the modality.
    ridges
        By position of the modality that is read.
    latents, logs
        (n, n_latent) and (n, n_features) of reference cells: latents from the other modalities and
        log1p counts; empty for modalities of many features.
    weights
        Weight of each predictor in :data:`PARTS`.
    reliability
        (n_features,) Pearson correlation of predicted and measured log1p counts over held-out
        cells; NaN where it was not measured.
    size
        Mean number of counts of a cell.
    """

    target: int
    ridges: dict[int, Ridge]
    latents: npt.NDArray[np.float32]
    logs: npt.NDArray[np.float32]
    weights: tuple[float, float, float]
    reliability: Floats
    size: float

    def predict(self, trained: Trained, cells: Cells) -> Floats:
        """(n_cells, n_features) log1p counts; NaN for cells without any other modality."""
        parts = self.parts(trained, cells)
        total = np.zeros(parts["neural"].shape)
        weight = np.zeros(len(total))
        for name, own in zip(PARTS, self.weights, strict=True):
            if name not in parts or own == 0:
                continue
            there = np.isfinite(parts[name]).all(1)
            total[there] += own * parts[name][there]
            weight[there] += own
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / weight[:, None]
        lacking = weight == 0
        mean[lacking] = parts["neural"][lacking]
        return np.maximum(mean, 0)

    def parts(self, trained: Trained, cells: Cells) -> dict[str, Floats]:
        """Log1p counts by each predictor; NaN for cells that it cannot predict."""
        blocks = cells.blocks
        others = [name for m, name in enumerate(blocks.names) if m != self.target]
        latent = trained.embed(cells, others).mean
        known = measured_elsewhere(blocks, self.target)
        sizes = np.full(len(blocks), self.size)
        neural = np.log1p(trained.decode(self.target, latent, sizes, blocks.batch_ids))
        found = {"neural": np.where(known[:, None], neural.astype(np.float64), np.nan)}
        if self.ridges:
            found["ridge"] = self._ridge(cells)
        if len(self.logs):
            near = np.full(found["neural"].shape, np.nan)
            near[known] = _neighbors(self.latents, self.logs, latent[known])
            found["neighbors"] = near
        return found

    def _ridge(self, cells: Cells) -> Floats:
        """Mean over the modalities of a cell."""
        n = len(self.reliability)
        total, number = np.zeros((len(cells.blocks), n)), np.zeros(len(cells.blocks))
        for source, ridge in self.ridges.items():
            rows = cells.blocks.blocks[source].rows
            total[rows] += ridge.predict(cells.values[source][rows])
            number[rows] += 1
        with np.errstate(invalid="ignore"):
            return np.where(number[:, None] > 0, total / number[:, None], np.nan)


def fit_imputer(trained: Trained, cells: Cells, target: int, seed: int) -> Imputer | None:
    """Fit the predictors of modality ``target``, with equal weights.

    Returns
    -------
    None where no cell has this modality and another one.
    """
    blocks = cells.blocks
    block = blocks.blocks[target]
    n = len(block.features)
    paired = np.flatnonzero(block.measured & measured_elsewhere(blocks, target))
    if not len(paired):
        return None
    ridges: dict[int, Ridge] = {}
    logs = np.zeros((0, n), np.float32)
    latents = np.zeros((0, trained.network.sizes.n_latent), np.float32)
    if n <= _MOST_TARGETS:
        for source, other in enumerate(blocks.blocks):
            both = np.flatnonzero(block.measured & other.measured)
            if source != target and len(both) > 2 and other.kind != "atac":
                y = np.log1p(block.X[both].toarray().astype(np.float64))
                ridges[source] = fit_ridge(cells.values[source][both], y, seed)
    if n <= _MOST_NEIGHBORED:
        others = [name for m, name in enumerate(blocks.names) if m != target]
        latents = trained.embed(cells, others).mean[paired]
        logs = np.log1p(block.X[paired].toarray()).astype(np.float32)
    size = float(np.asarray(block.X[block.rows].sum(1)).mean())
    blank = np.full(n, np.nan)
    return Imputer(target, ridges, latents, logs, (1.0, 1.0, 1.0), blank, size)


def validated(imputer: Imputer, trained: Trained, held: Cells) -> Imputer:
    """Weigh the predictors, and measure the reliability of features, on held-out cells.

    Weights are those of least squares, at least 0, of log1p counts in units of their standard
    deviation, on cells that all predictors can predict: ridge regression reads no chromatin.
    """
    from scipy.optimize import nnls

    block = held.blocks.blocks[imputer.target]
    rows = np.flatnonzero(block.measured & measured_elsewhere(held.blocks, imputer.target))
    if len(rows) < 3:
        return imputer
    parts = {name: x[rows] for name, x in imputer.parts(trained, held).items()}
    truth = np.log1p(block.X[rows].toarray().astype(np.float64))
    varies = truth.std(0) > 0
    names = [name for name in PARTS if name in parts]
    by_all = np.logical_and.reduce([np.isfinite(parts[name]).all(1) for name in names])
    if by_all.sum() < 3:
        names, by_all = ["neural"], np.isfinite(parts["neural"]).all(1)
    mean, spread = truth.mean(0), np.where(varies, truth.std(0), 1)

    def scaled(values: Floats) -> Floats:
        return ((values - mean) / spread)[by_all][:, varies].ravel()

    found, _ = nnls(np.stack([scaled(parts[name]) for name in names], 1), scaled(truth))
    weights = dict(zip(names, found / max(found.sum(), _ALONE), strict=True))
    if not found.sum():
        weights["neural"] = 1.0
    chosen = tuple(float(weights.get(name, 0.0)) for name in PARTS)
    weighed = replace(imputer, weights=(chosen[0], chosen[1], chosen[2]))
    predicted = weighed.predict(trained, held)[rows]
    return replace(weighed, reliability=correlations(truth, predicted))


def measured_elsewhere(blocks: Blocks, target: int) -> npt.NDArray[np.bool_]:
    """(n_cells,) whether a modality other than ``target`` was measured."""
    others = np.delete(blocks.measured, target, 1)
    return np.asarray(others.any(1), dtype=bool)


def _neighbors(
    latents: npt.NDArray[np.float32],
    logs: npt.NDArray[np.float32],
    wanted: npt.NDArray[np.float32],
) -> Floats:
    """(n, n_features) mean log1p counts of the nearest reference cells."""
    from sklearn.neighbors import NearestNeighbors

    k = min(N_NEIGHBORS, len(latents))
    if not len(wanted):
        return np.zeros((0, logs.shape[1]))
    near = NearestNeighbors(n_neighbors=k).fit(latents).kneighbors(wanted, return_distance=False)
    return logs[near].mean(1, dtype=np.float64)


def correlations(truth: Floats, predicted: Floats) -> Floats:
    """(n_features,) Pearson correlation of columns; NaN for those that do not vary."""
    a, b = truth - truth.mean(0), predicted - predicted.mean(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0))
