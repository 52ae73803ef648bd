"""Weighted nearest neighbors (Hao et al., Cell 2021), by muon."""

from __future__ import annotations

import warnings

import numpy as np

from scmamba.benchmark._multiomics.methods.base import (
    MultiomicsMethod,
    Outcome,
    components,
    genes,
    other,
)
from scmamba.benchmark._multiomics.split import MultiomicsSplit


def wnn(split: MultiomicsSplit, seed: int) -> Outcome:
    """Spectral embedding of muon's graph of weighted neighbors: 20 dimensions."""
    import muon
    import scanpy as sc
    from anndata import AnnData
    from mudata import MuData

    found = {
        name: components(genes(split), 50, seed) if name == "rna" else other(split, name, seed)
        for name in split.mods
    }
    mods = {}
    for name, values in found.items():
        one = AnnData(values.astype(np.float32), obs=split.mods[name].obs[[]].copy())
        sc.pp.neighbors(one, n_neighbors=20, use_rep="X", random_state=seed)
        mods[name] = one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        both = MuData(mods)
        muon.pp.neighbors(both, random_state=seed)
        graph = AnnData(np.zeros((both.n_obs, 1), np.float32), obs=both.obs[[]].copy())
        graph.obsp["connectivities"] = both.obsp["connectivities"]
        graph.obsp["distances"] = both.obsp["distances"]
        graph.uns["neighbors"] = {
            "connectivities_key": "connectivities",
            "distances_key": "distances",
            "params": {"method": "umap", "n_neighbors": 20},
        }
        sc.tl.diffmap(graph, n_comps=20, random_state=seed)
    order = graph.obs_names.get_indexer(split.cells)
    return Outcome(embedding=np.asarray(graph.obsm["X_diffmap"])[order, 1:])


WNN = MultiomicsMethod(wnn, "WNN (muon), diffusion map", ("embedding",), package="muon")
