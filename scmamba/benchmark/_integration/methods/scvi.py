"""scVI (Lopez et al., Nature Methods 2018), at the settings of its integration tutorial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scmamba.benchmark._integration.cells import BATCH
from scmamba.benchmark._integration.methods.base import IntegrationMethod

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

EPOCHS = 100


def scvi_model(cells: AnnData, seed: int) -> Any:
    """Return a trained ``scvi.model.SCVI``."""
    import scvi

    scvi.settings.seed = seed
    scvi.model.SCVI.setup_anndata(cells, layer="counts", batch_key=BATCH)
    model = scvi.model.SCVI(cells, n_layers=2, n_latent=30, gene_likelihood="nb")
    model.train(max_epochs=EPOCHS, accelerator=accelerator(), enable_progress_bar=False)
    return model


def accelerator() -> str:
    """Lightning's word for the device that was chosen."""
    from scmamba._settings import settings

    return "cpu" if settings.device == "cpu" else "auto"


def scvi(cells: AnnData, seed: int) -> np.ndarray:
    """Latent representation of the cells."""
    return scvi_model(cells, seed).get_latent_representation()


SCVI = IntegrationMethod(scvi, "scvi", "scVI")
