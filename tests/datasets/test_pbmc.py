"""The cells in scanpy's wheel are the ones that the demo counts on."""

from __future__ import annotations

import numpy as np

from scmamba import datasets, pp


def test_cells_and_labels() -> None:
    adata = datasets.pbmc68k_reduced()
    assert adata.shape == (700, 765)
    assert adata.obs["bulk_labels"].nunique() == 10
    found = pp.expression(adata)
    assert found.source == "raw.X" and found.X.shape == (700, 765)


def test_counts_are_those_that_were_normalized() -> None:
    adata, kept = datasets.pbmc68k_reduced(counts=True), datasets.pbmc68k_reduced()
    assert pp.expression(adata).unit.is_counts
    linear = kept.raw.X.expm1().astype(np.float64)
    again = adata.X.multiply(1e4 / kept.obs["n_counts"].to_numpy()[:, None])
    assert abs(again - linear).max() < 0.01 * linear.max()
    assert adata.obs_names.equals(kept.obs_names) and adata.raw is None
