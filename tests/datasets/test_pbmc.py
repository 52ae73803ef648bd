"""The cells in scanpy's wheel are the ones that the demo counts on."""

from __future__ import annotations

from scmamba import datasets, pp


def test_cells_and_labels() -> None:
    adata = datasets.pbmc68k_reduced()
    assert adata.shape == (700, 765)
    assert adata.obs["bulk_labels"].nunique() == 10
    found = pp.expression(adata)
    assert found.source == "raw.X" and found.X.shape == (700, 765)
