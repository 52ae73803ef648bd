"""Where training starts: one set of principal components of all modalities, and what predicts it.

Each modality has principal components, of which some are signal and some noise. How much of a
component is signal is told by halves of the features: loadings that were fitted to some cells score
other cells by each half, and the correlation of both, corrected for length (Spearman and Brown,
1910), is its reliability. Components are weighted by it, and those of all modalities together are
reduced to the latent. A ridge regression then predicts the latent from each modality; the variance
that it leaves is how much each modality says about each dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.tasks._multiomics.blocks import Block
from scmamba.tasks._multiomics.coding import Coding
from scmamba.tasks._multiomics.components import components

_MOST_COMPONENTS = 50
_FEW_FEATURES = 30
"""Features up to which each is taken as signal: halves of ten proteins measure other things."""
_FEW_CELLS = 40
_PENALTY = 1.0
_LEAST_VARIANCE = 1e-3

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Start:
    """Start of one encoder.

    Attributes
    ----------
    loadings
        (n_features, d) of its principal components.
    linear
        (n_latent, d) from standardized components to the latent.
    log_var
        (n_latent,) log of the variance of the latent that it leaves.
    """

    loadings: npt.NDArray[np.float32]
    linear: npt.NDArray[np.float32]
    log_var: npt.NDArray[np.float32]


def starts(
    blocks: Sequence[Block],
    codings: Sequence[Coding],
    values: Sequence[sparse.csr_matrix],
    batch_ids: Ints,
    n_latent: int,
    seed: int,
    further: Sequence[npt.NDArray[np.float32] | None] = (),
) -> tuple[list[Start], npt.NDArray[np.float32]]:
    """Start of the encoder of each modality, and the latents (n_cells, n_latent) they predict.

    Cells in which all modalities were measured align these; where there are too few of them, each
    modality starts at components of its own. Other cells have the latent that their modalities
    predict together. ``further`` are loadings (n_features, d) of each modality that predict the
    latent too, and take no part in it.
    """
    loadings, scores, weights = [], [], []
    for block, coding, one in zip(blocks, codings, values, strict=True):
        found, _ = components(one[block.rows], coding, _MOST_COMPONENTS, seed)
        loadings.append(found)
        scores.append(_standardized(one @ found, block, batch_ids))
        spread = np.asarray(one[block.rows] @ found).std(0)
        weights.append(_weights(one[block.rows], coding, spread / spread.max(), seed))
    weighted = [s * w for s, w in zip(scores, weights, strict=True)]
    for m, more in enumerate(further):
        if more is not None:
            loadings[m] = np.hstack([loadings[m], more])
            scores[m] = _standardized(values[m] @ loadings[m], blocks[m], batch_ids)
    paired = np.flatnonzero(np.all([block.measured for block in blocks], axis=0))
    if len(blocks) == 1 or len(paired) < _FEW_CELLS:
        made = [_alone(a, w, n_latent) for a, w in zip(loadings, weights, strict=True)]
        return made, _predicted(made, scores, blocks)
    together = np.hstack([one[paired] for one in weighted])
    left, size, _ = np.linalg.svd(together - together.mean(0), full_matrices=False)
    latent = np.zeros((len(paired), n_latent))
    k = min(n_latent, len(size))
    latent[:, :k] = (left * size)[:, :k]
    latent = latent * _signs(left, n_latent) / max(latent.std(0).max(), 1e-9)
    made = [_regressed(a, s[paired], latent) for a, s in zip(loadings, scores, strict=True)]
    anchors = _predicted(made, scores, blocks)
    anchors[paired] = latent
    return made, anchors


def _predicted(
    made: Sequence[Start], scores: Sequence[Floats], blocks: Sequence[Block]
) -> npt.NDArray[np.float32]:
    """(n_cells, n_latent) mean of what the modalities of each cell predict, by precision."""
    total = np.zeros((len(scores[0]), made[0].linear.shape[0]))
    weight = np.full(total.shape, 1e-9)
    for start, own, block in zip(made, scores, blocks, strict=True):
        precision = np.exp(-start.log_var) * block.measured[:, None]
        total += precision * (own @ start.linear.T)
        weight += precision
    return (total / weight).astype(np.float32)


def _weights(values: sparse.csr_matrix, coding: Coding, spread: Floats, seed: int) -> Floats:
    """(d,) scale of each standardized component in the joint decomposition."""
    if values.shape[1] <= _FEW_FEATURES or values.shape[0] < _FEW_CELLS:
        return spread
    reliable = _reliability(values, coding, len(spread), seed)
    share = (spread**2 * reliable).sum() / (spread**2).sum()
    return spread * np.sqrt(reliable) * share


def _reliability(values: sparse.csr_matrix, coding: Coding, n: int, seed: int) -> Floats:
    """(n,) reliability of each component, in [0, 1], by halves of features in cells not fitted."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(values.shape[0])
    half = len(order) // 2
    side = (rng.permutation(values.shape[1]) % 2).astype(np.float32)[:, None]
    found = np.zeros((2, n))
    for i, (seen, unseen) in enumerate(
        ((order[:half], order[half:]), (order[half:], order[:half]))
    ):
        fitted, _ = components(values[np.sort(seen)], coding, n, seed)
        rows = values[np.sort(unseen)]
        a, b = rows @ (fitted * side), rows @ (fitted * (1 - side))
        a, b = a - a.mean(0), b - b.mean(0)
        r = (a * b).sum(0) / np.maximum(np.sqrt((a**2).sum(0) * (b**2).sum(0)), 1e-12)
        r = r.clip(0, 1)
        found[i, : len(r)] = 2 * r / (1 + r)
    return found.mean(0)


def _standardized(scores: npt.NDArray[np.float32], block: Block, batch_ids: Ints) -> Floats:
    """Scores with mean 0 and standard deviation 1 in each batch, as the encoder norms them."""
    made = np.zeros(scores.shape)
    for batch in np.unique(batch_ids):
        rows = np.flatnonzero(block.measured & (batch_ids == batch))
        if len(rows):
            own = scores[rows].astype(np.float64)
            made[rows] = (own - own.mean(0)) / (own.std(0) + 1e-6)
    return made


def _signs(left: Floats, n: int) -> Floats:
    """(n,) signs that make the largest score of each dimension positive."""
    signs = np.ones(n)
    k = min(n, left.shape[1])
    largest = np.abs(left[:, :k]).argmax(0)
    signs[:k] = np.sign(left[largest, np.arange(k)])
    return signs


def _regressed(loadings: npt.NDArray[np.float32], scores: Floats, latent: Floats) -> Start:
    d = scores.shape[1]
    penalty = _PENALTY * np.eye(d)
    gram = scores.T @ scores + penalty
    coef = np.linalg.solve(gram, scores.T @ latent)
    freedom = max(len(scores) - d, 1) / len(scores)
    left = ((latent - scores @ coef) ** 2).mean(0) / freedom
    log_var = np.log(left + _LEAST_VARIANCE)
    return Start(loadings, coef.T.astype(np.float32), log_var.astype(np.float32))


def _alone(loadings: npt.NDArray[np.float32], weights: Floats, n_latent: int) -> Start:
    linear = np.zeros((n_latent, loadings.shape[1]), np.float32)
    k = min(n_latent, len(weights))
    linear[:k, :k] = np.diag(weights[:k] / max(weights.max(), 1e-9))
    return Start(loadings, linear, np.full(n_latent, -2.0, np.float32))
