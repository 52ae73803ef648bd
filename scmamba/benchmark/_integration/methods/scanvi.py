"""scANVI (Xu et al., Molecular Systems Biology 2021), which learns from labels on top of scVI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scmamba.benchmark._integration.cells import LABEL, UNLABELED
from scmamba.benchmark._integration.methods.base import IntegrationMethod
from scmamba.benchmark._integration.methods.scvi import accelerator, scvi_model

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

EPOCHS = 20


def scanvi(cells: AnnData, seed: int) -> np.ndarray:
    """Latent representation of the cells."""
    import scvi

    base = scvi_model(cells, seed)
    model = scvi.model.SCANVI.from_scvi_model(base, UNLABELED, labels_key=LABEL)
    model.train(
        max_epochs=EPOCHS,
        n_samples_per_label=100,
        accelerator=accelerator(),
        enable_progress_bar=False,
    )
    return model.get_latent_representation()


SCANVI = IntegrationMethod(scanvi, "scvi", "scANVI", labels=True)
