"""Scores of batch correction against scib-metrics itself; skipped where it is not installed."""

from __future__ import annotations

import sys

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba._errors import ScmambaError
from scmamba.datasets import synthetic
from scmamba.metrics import integration
from scmamba.metrics.integration import TOTALS


@pytest.fixture
def cells(rng: np.random.Generator) -> ad.AnnData:
    """Cells with an embedding of types, one of batches, and one of both."""
    adata = synthetic(300, 80, 3, n_batches=2)
    types, batches = (adata.obs[key].cat.codes.to_numpy() for key in ("cell_type", "batch"))
    noise = rng.normal(0, 0.3, (300, 8))
    adata.obsm["X_types"] = noise + 4 * np.eye(8)[types]
    adata.obsm["X_batches"] = noise + 4 * np.eye(8)[batches + 4]
    adata.obsm["X_both"] = adata.obsm["X_types"] + adata.obsm["X_batches"]
    return adata


def test_a_missing_package_is_told(cells, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "scib_metrics.benchmark", None)
    with pytest.raises(ScmambaError, match=r"pip install 'scmamba\[benchmark\]'"):
        integration(cells, "batch", "cell_type", ["X_types"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_key": "no"}, "batch_key='no' is not a column of adata.obs"),
        ({"embeddings": ["X_no"]}, "'X_no' is not in adata.obsm"),
        ({"embeddings": []}, "embeddings is empty"),
        ({"embeddings": ["X_nan"]}, "1 of its values not finite"),
        ({"batch_key": "one"}, "have 1 of batches"),
        ({"batch_key": "holes"}, "is missing for 1 cell"),
        ({"max_cells": 1}, "max_cells=1"),
    ],
)
def test_bad_input(cells, change, message) -> None:
    cells.obs["one"] = "a"
    cells.obs["holes"] = cells.obs["batch"].where(np.arange(300) > 0)
    cells.obsm["X_nan"] = np.where(np.arange(2400).reshape(300, 8) == 5, np.nan, 1.0)
    given = {"batch_key": "batch", "labels_key": "cell_type", "embeddings": ["X_types"]}
    with pytest.raises(ScmambaError, match=message):
        integration(cells, **{**given, **change})


@pytest.mark.slow
class TestScores:
    """Needs the package, which compiles for a while."""

    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("scib_metrics")

    def test_types_and_batches_are_told_apart(self, cells) -> None:
        scores = integration(cells, "batch", "cell_type", ["X_types", "X_batches", "X_both"])
        table = scores.table
        assert list(table.index) == ["X_types", "X_batches", "X_both"]
        assert set(scores.groups.values()) == {"Batch correction", "Bio conservation"}
        assert len(scores.groups) == 10
        assert table.loc["X_types", "Total"] > table.loc["X_both", "Total"]
        assert table.loc["X_types", "iLISI"] > 0.8 > 0.1 > table.loc["X_both", "iLISI"]
        assert table.loc["X_types", "KMeans ARI"] > 0.95 > table.loc["X_batches", "KMeans ARI"]
        assert "300 of 300 cells" in str(scores)

    def test_totals_are_unscaled_means(self, cells) -> None:
        both = integration(cells, "batch", "cell_type", ["X_types", "X_both"])
        alone = integration(cells, "batch", "cell_type", ["X_both"])
        row = both.table.loc["X_both"]
        pd.testing.assert_series_equal(row, alone.table.loc["X_both"])
        means = pd.Series(both.groups)
        for kind in TOTALS[:2]:
            assert row[kind] == pytest.approx(row[means.index[means == kind]].mean())
        total = 0.4 * row["Batch correction"] + 0.6 * row["Bio conservation"]
        assert row["Total"] == pytest.approx(total)

    def test_one_metric_against_its_own_function(self, cells) -> None:
        from scib_metrics import silhouette_label

        scores = integration(cells, "batch", "cell_type", ["X_both"])
        expected = silhouette_label(
            cells.obsm["X_both"].astype(np.float32), cells.obs["cell_type"].to_numpy()
        )
        assert scores.table.loc["X_both", "Silhouette label"] == pytest.approx(expected, abs=1e-4)

    def test_leiden_is_added_where_it_is_asked_for(self, cells) -> None:
        pytest.importorskip("leidenalg")
        found = integration(cells, "batch", "cell_type", ["X_types"], leiden=True)
        assert found.groups["Leiden NMI"] == found.groups["Leiden ARI"] == "Bio conservation"
        assert found.table.loc["X_types", "Leiden ARI"] > 0.95

    def test_unlabeled_cells_and_a_draw_are_stated(self, cells, caplog) -> None:
        labels = cells.obs["cell_type"].astype(object)
        labels.iloc[:20], labels.iloc[20:40] = np.nan, "Unknown"
        cells.obs["cell_type"] = labels
        scores = integration(cells, "batch", "cell_type", ["X_types"])
        assert (scores.n_cells, scores.n_scored) == (300, 260)
        few = integration(cells, "batch", "cell_type", ["X_types"], max_cells=150)
        again = integration(cells, "batch", "cell_type", ["X_types"], max_cells=150)
        assert few.n_scored == 150
        pd.testing.assert_frame_equal(few.table, again.table)

    def test_csv(self, cells, tmp_path) -> None:
        scores = integration(cells, "batch", "cell_type", ["X_types"], pre_integrated="X_both")
        read = pd.read_csv(scores.to_csv(tmp_path / "scores.csv"), index_col=0)
        assert read.pop("Cells scored").item() == 300
        pd.testing.assert_frame_equal(read, scores.table)

    def test_adata_stays_as_it_is(self, cells) -> None:
        before = cells.copy()
        integration(cells, "batch", "cell_type", ["X_types"])
        pd.testing.assert_frame_equal(cells.obs, before.obs)
        assert list(cells.obsm) == list(before.obsm)
        assert (cells.X != before.X).nnz == 0
