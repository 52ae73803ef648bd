"""Pictures of several modalities."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError
from scmamba.datasets import synthetic
from scmamba.pl import imputed, modality_weights, multiomics_umap


@pytest.fixture
def cells() -> ad.AnnData:
    adata, rng = synthetic(60, 20, 3), np.random.default_rng(0)
    adata.obsm["X_scmamba"] = rng.normal(size=(60, 4))
    adata.obsm["X_scmamba_rna"] = rng.normal(size=(60, 4))
    adata.obsm["X_scmamba_prot"] = rng.normal(size=(60, 4))
    adata.obsm["X_scmamba_prot"][:20] = np.nan
    adata.obs["scmamba_weight_rna"] = rng.random(60)
    adata.obs["scmamba_weight_prot"] = 1 - adata.obs["scmamba_weight_rna"]
    return adata


def test_a_panel_for_each_embedding(cells: ad.AnnData, plain_places: None) -> None:
    figure = multiomics_umap(cells, "cell_type")
    n_points = [len(axes.collections[0].get_offsets()) for axes in figure.axes]
    assert n_points == [60, 60, 40]
    assert len(figure.legends[0].get_texts()) == 3
    with pytest.raises(ScmambaError, match="multiomics first"):
        multiomics_umap(synthetic(5, 4, 2))


def test_weights_are_means_of_groups(cells: ad.AnnData) -> None:
    figure = modality_weights(cells, "cell_type")
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    expected = cells.obs.groupby("cell_type", observed=True)["scmamba_weight_rna"].mean()
    np.testing.assert_allclose(widths[:3][::-1], expected, rtol=1e-5)
    np.testing.assert_allclose(np.add(widths[:3], widths[3:]), 1)
    with pytest.raises(ScmambaError, match="scmamba_weight_rna"):
        modality_weights(synthetic(5, 4, 2))


def test_weights_fit_a_phone_beside_long_names(cells: ad.AnnData) -> None:
    cells.obs["cell_type"] = cells.obs["cell_type"].astype(str) + " of a rather long name"
    assert modality_weights(cells, "cell_type").get_size_inches()[0] < 6  # wider is scrolled


def test_imputed_against_measured() -> None:
    measured = pd.DataFrame(np.random.default_rng(0).poisson(4, (40, 7)).astype(float))
    measured.columns = [f"CD{i}" for i in range(7)]
    found = measured.to_numpy() * 2
    found[:5, 1] = np.nan
    figure = imputed(measured, found)
    assert len(figure.axes) == 7
    assert len(figure.axes[1].collections[0].get_offsets()) == 35
    texts = [text.get_text() for text in figure.axes[6].texts]
    assert texts == ["CD6", "Pearson 1.00"]
    with pytest.raises(ScmambaError, match="same shape"):
        imputed(measured, found[:, :2])


def test_imputed_and_measured_tables_are_matched_by_name() -> None:
    rng = np.random.default_rng(0)
    measured = pd.DataFrame(rng.poisson(4, (40, 3)).astype(float), columns=["CD3", "CD4", "CD19"])
    other = measured.iloc[::-1, [2, 0, 1]]
    texts = [axes.texts[-1].get_text() for axes in imputed(measured, other).axes]
    assert texts == ["Pearson 1.00"] * 3
    with pytest.raises(ScmambaError, match=r"different features .*CD8"):
        imputed(measured, other.rename(columns={"CD3": "CD8"}))
