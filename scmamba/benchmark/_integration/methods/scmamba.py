"""scmamba, without and with labels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scmamba.benchmark._integration.cells import BATCH, LABEL
from scmamba.benchmark._integration.methods.base import IntegrationMethod

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData


def scmamba(cells: AnnData, seed: int, **options: Any) -> np.ndarray:
    """:func:`scmamba.tasks.integrate` on all genes of ``cells``, with ``options``."""
    from scmamba.tasks import integrate

    integrate(cells, BATCH, seed=seed, layer="counts", n_top_genes=None, **options)
    return cells.obsm["X_scmamba"]


SCMAMBA = IntegrationMethod(scmamba, "scmamba.tasks", "scmamba")
SCMAMBA_LABELS = IntegrationMethod(
    partial(scmamba, labels_key=LABEL), "scmamba.tasks", "scmamba with labels", labels=True
)
