"""Harmony (Korsunsky et al., Nature Methods 2019) on principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scmamba.benchmark._integration.cells import BATCH
from scmamba.benchmark._integration.methods.base import IntegrationMethod
from scmamba.benchmark._integration.methods.pca import pca

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData


def harmony(cells: AnnData, seed: int, **options: Any) -> np.ndarray:
    """Corrected principal components, with ``options`` of ``harmonypy.run_harmony``."""
    import harmonypy

    found = harmonypy.run_harmony(
        pca(cells, seed), cells.obs, BATCH, random_state=seed, verbose=False, **options
    )
    corrected = found.Z_corr
    return corrected if len(corrected) == cells.n_obs else corrected.T  # older ones: (d, n_obs)


HARMONY = IntegrationMethod(harmony, "harmonypy", "Harmony")
