"""The Census: cells of a tissue from a small SOMA experiment on disk."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from scmamba import settings
from scmamba._errors import ScmambaError
from scmamba.tasks import CorpusManifest, download_census
from tests.stream.studies import study

soma_io = pytest.importorskip("tiledbsoma.io", exc_type=ImportError)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "verbosity", "error")


@pytest.fixture(scope="module")
def cells() -> ad.AnnData:
    """Sixty cells of blood in two data sets, with copies that are not primary, and ten of lung."""
    found = study(80, 3)
    found.obs_names = [f"cell{i}" for i in range(80)]
    found.obs["dataset_id"] = np.repeat(["a", "b"], 40)
    found.obs["tissue_general"] = np.where(np.arange(80) % 8 == 7, "lung", "blood")
    found.obs["is_primary_data"] = np.arange(80) % 8 != 6
    found.obs["assay"] = "10x 3' v3"
    found.var["feature_id"] = [f"ENSG{i:011d}" for i in range(found.n_vars)]
    found.var["feature_name"] = found.var_names
    return found


@pytest.fixture(scope="module")
def experiment(cells: ad.AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("census") / "soma"
    soma_io.from_anndata(str(path), cells.copy(), "RNA", X_layer_name="raw")
    return path


def test_each_data_set_of_a_tissue_is_a_file(
    cells: ad.AnnData, experiment: Path, tmp_path: Path
) -> None:
    found = download_census(tmp_path / "blood", tissue="blood", experiment=experiment, min_cells=5)
    assert [one.cells for one in found.data_sets] == [30, 30]
    assert {one.license for one in found.data_sets} == {"CC BY 4.0"}
    written = ad.read_h5ad(tmp_path / "blood/b.h5ad")
    kept = (cells.obs["tissue_general"] == "blood") & cells.obs["is_primary_data"]
    expected = cells[kept & (cells.obs["dataset_id"] == "b")]
    assert written.var["feature_name"].tolist() == cells.var_names.tolist()
    assert written.var_names.tolist() == cells.var["feature_id"].tolist()
    np.testing.assert_array_equal(written.X.toarray(), expected.X.toarray())
    assert {"cell_type", "assay"} <= set(written.obs)
    assert CorpusManifest.load(tmp_path / "blood") == found


def test_large_data_sets_are_drawn_from_and_files_are_kept(
    experiment: Path, tmp_path: Path
) -> None:
    options = {"tissue": "blood", "experiment": experiment, "min_cells": 5, "max_cells": 12}
    first = download_census(tmp_path / "blood", **options)
    assert [one.cells for one in first.data_sets] == [12, 12]
    before = (tmp_path / "blood/a.h5ad").stat().st_mtime_ns
    (tmp_path / "blood/b.h5ad").unlink()
    again = download_census(tmp_path / "blood", **options)
    assert (tmp_path / "blood/a.h5ad").stat().st_mtime_ns == before
    assert [one.cells for one in again.data_sets] == [12, 12]


def test_what_the_census_lacks_is_said(experiment: Path, tmp_path: Path) -> None:
    options = {"experiment": experiment, "min_cells": 5}
    with pytest.raises(ScmambaError, match="tissue='bloood' is not a value .* blood"):
        download_census(tmp_path / "x", tissue="bloood", **options)
    with pytest.raises(ScmambaError, match="no cell of 'blood' meets where"):
        download_census(tmp_path / "x", tissue="blood", where="assay == 'none'", **options)
    with pytest.raises(ScmambaError, match="no data set has min_cells=500"):
        download_census(tmp_path / "x", tissue="blood", experiment=experiment, min_cells=500)
    with pytest.raises(ScmambaError, match="cannot be read .*experiment="):
        download_census(tmp_path / "x", tissue="blood", experiment=tmp_path / "none")
    assert not (tmp_path / "x").exists()
