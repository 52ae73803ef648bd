"""Principal components of each modality, at which its encoder starts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.tasks._multiomics.coding import Coding

_CLIP = 10.0
_SAMPLE = 10_000  # cells whose values are dense at once

Floats = npt.NDArray[np.float32]


def components(
    values: sparse.csr_matrix, coding: Coding, n: int, seed: int
) -> tuple[Floats, Floats]:
    """Return loadings of the principal components of measured cells, and their spread.

    Genes and proteins are standardized and clipped at 10 standard deviations. Peaks stay as they
    are, without the first component, which is the number of open ones (latent semantic indexing).

    Parameters
    ----------
    values
        (n_cells, n_features) coded values.
    coding
        Means and standard deviations of the values.
    n
        Most components.
    seed
        Seed of the decomposition and of the sample of many cells.

    Returns
    -------
    loadings
        (n_features, k): scores are values times loadings.
    spread
        (k,) standard deviations of the scores relative to the first.
    """
    from sklearn.utils.extmath import randomized_svd

    if values.shape[0] > _SAMPLE:
        rows = np.random.default_rng(seed).choice(values.shape[0], _SAMPLE, replace=False)
        values = values[np.sort(rows)]
    open_ones = coding.kind == "atac"
    first = 1 if open_ones else 0
    k = max(min(n + first, *values.shape), first + 1)
    if open_ones:
        matrix = values.astype(np.float32)
    else:
        matrix = ((values.toarray() - coding.center) / coding.scale).clip(-_CLIP, _CLIP)
    left, size, right = randomized_svd(matrix, k, random_state=seed)
    left, size, right = left[:, first:], size[first:], right[first:]
    loadings = right.T.astype(np.float32)
    if not open_ones:
        loadings = loadings / coding.scale[:, None]
    spread = (left * size).std(0) + 1e-6
    return loadings / spread[:1].astype(np.float32), (spread / spread[0]).astype(np.float32)
