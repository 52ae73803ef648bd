"""totalVI (Gayoso et al., Nature Methods 2021), at its defaults."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from scmamba.benchmark._multiomics.methods.base import MultiomicsMethod, Outcome
from scmamba.benchmark._multiomics.split import MultiomicsSplit

EPOCHS = 200


def totalvi(split: MultiomicsSplit, seed: int) -> Outcome:
    """2,000 genes; cells without proteins are a batch of their own; cells without RNA are left out.

    A protein batch whose proteins are all 0 is what totalVI takes for not measured.
    """
    import scanpy as sc
    import scvi
    from anndata import AnnData

    scvi.settings.seed = seed
    rna, prot = split.mods["rna"], split.mods["prot"]
    cells = AnnData(sparse.csr_matrix(rna.X), obs=pd.DataFrame(index=rna.obs_names), var=rna.var)
    flavor = sc.pp.log1p(sc.pp.normalize_total(cells, target_sum=1e4, copy=True), copy=True)
    sc.pp.highly_variable_genes(flavor, n_top_genes=min(2000, cells.n_vars))
    cells = cells[:, flavor.var["highly_variable"].to_numpy()].copy()
    proteins = np.zeros((cells.n_obs, prot.n_vars), np.float32)
    rows = prot.obs_names.get_indexer(cells.obs_names)
    known = rows >= 0
    proteins[known] = sparse.csr_matrix(prot.X)[rows[known]].toarray()
    cells.obsm["proteins"] = proteins
    cells.obs["part"] = np.where(known, "measured", "lacking")
    several = None if known.all() else "part"
    scvi.model.TOTALVI.setup_anndata(
        cells, protein_expression_obsm_key="proteins", batch_key=several
    )
    model = scvi.model.TOTALVI(cells)
    model.train(max_epochs=EPOCHS, accelerator="cpu", enable_progress_bar=False)
    embedding = np.full((len(split.cells), model.module.n_latent), np.nan)
    embedding[split.rows("rna")] = model.get_latent_representation()
    imputed = None
    if len(split.hidden):
        query = cells.obs_names.get_indexer(split.cells[split.hidden])
        _, found = model.get_normalized_expression(
            indices=query,
            transform_batch="measured",
            n_samples=25,
            return_mean=True,
            include_protein_background=True,
            return_numpy=True,
        )
        imputed = np.log1p(np.asarray(found))
    return Outcome(embedding, imputed)


TOTALVI = MultiomicsMethod(
    totalvi, "totalVI", ("embedding", "imputation", "mosaic"), package="scvi", modalities=("prot",)
)
