"""Which cells are learned from and which are asked about; the query's labels are taken off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import anndata as ad
import numpy as np
from anndata import AnnData

from scmamba.benchmark._annotation.split import AnnotationSplit, split_of
from scmamba.cli import demo

FILES = {
    "kang": "cells/kang_ctrl_8donors.h5ad",
    "pbmc4": "cells/pbmc_4batch.h5ad",
    "baron": "cells/pancreas_baron.h5ad",
    "ood": "cells/kang_ctrl_8donors.h5ad",
}
KANG_QUERY = ("p101", "p1039", "p1244")
UNSEEN = "Dendritic cells"
_HELD_OUT_IN_TURN = {"pbmc4": "batch", "baron": "donor"}
"""Column of obs whose values are held out one after the other."""


def splits(
    name: str, data: Path, seeds: Sequence[int], cells: int | None
) -> Iterator[AnnotationSplit]:
    """The splits of a benchmark; the demo's are numbered by its seeds."""
    if name == "demo":
        for seed in seeds:
            train, query = demo._split(seed)
            yield split_of(train, query, demo._LABELS, name=f"split {seed}")
        return
    every = _read(data / FILES[name], cells)
    if name in _HELD_OUT_IN_TURN:
        key = _HELD_OUT_IN_TURN[name]
        for batch in every.obs[key].unique():
            held = (every.obs[key] == batch).to_numpy()
            yield split_of(
                every[~held],
                every[held],
                "cell_type",
                name=str(batch),
                batch_key=key,
                n_top_genes=2000,
            )
        return
    held = every.obs["donor"].isin(KANG_QUERY).to_numpy()
    learn = ~held
    if name == "ood":
        learn &= (every.obs["cell_type"] != UNSEEN).to_numpy()
    name = ", ".join(KANG_QUERY)
    yield split_of(every[learn], every[held], "cell_type", name=name, batch_key="donor")


def _read(path: Path, cells: int | None) -> AnnData:
    """All cells of a file, or about ``cells`` of them with a few of every type."""
    adata = ad.read_h5ad(path)
    if cells is None or cells >= adata.n_obs:
        return adata
    order = np.random.default_rng(0).permutation(adata.n_obs)
    rank = adata.obs.iloc[order].groupby("cell_type", observed=True).cumcount().to_numpy()
    return adata[np.union1d(order[:cells], order[rank < 20])].copy()
