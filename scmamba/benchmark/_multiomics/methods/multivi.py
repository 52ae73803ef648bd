"""MultiVI (Ashuach et al., Nature Methods 2023), at its defaults."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import sparse

from scmamba.benchmark._multiomics.methods.base import MultiomicsMethod, Outcome
from scmamba.benchmark._multiomics.split import MultiomicsSplit

EPOCHS = 100
LEAST = 0.01  # of the cells: less frequent peaks are left out, as in its tutorial


def multivi(split: MultiomicsSplit, seed: int) -> Outcome:
    """Genes and peaks that at least 1 % of the cells have; values as they are."""
    import scvi
    from anndata import AnnData
    from mudata import MuData

    scvi.settings.seed = seed
    rna, atac = split.mods["rna"], split.mods["atac"]
    open_peaks = (sparse.csr_matrix(atac.X) > 0).astype(np.float32)
    kept = np.flatnonzero(open_peaks.getnnz(axis=0) >= LEAST * atac.n_obs)
    order = atac.obs_names.get_indexer(rna.obs_names)
    counts = sparse.csr_matrix(rna.X).copy()
    counts.data = np.rint(np.expm1(counts.data) if counts.data.max() < 20 else counts.data)
    obs = pd.DataFrame(index=rna.obs_names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cells = MuData(
            {"rna": AnnData(counts, obs), "atac": AnnData(open_peaks[order][:, kept], obs)}
        )
        layers = {"rna_layer": "rna", "atac_layer": "atac"}
        scvi.model.MULTIVI.setup_mudata(cells, modalities=layers)
        model = scvi.model.MULTIVI(cells, n_genes=rna.n_vars, n_regions=len(kept))
        model.train(max_epochs=EPOCHS, accelerator="cpu", enable_progress_bar=False)
        found = model.get_latent_representation()
    embedding = np.full((len(split.cells), found.shape[1]), np.nan)
    embedding[split.rows("rna")] = found
    return Outcome(embedding)


MULTIVI = MultiomicsMethod(multivi, "MultiVI", ("embedding",), package="scvi", modalities=("atac",))
