"""Results go into a copy of a file, in which all else stays as it was."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scmamba.datasets import synthetic
from scmamba.jobs import Results, writer
from scmamba.jobs.writer import write_results


@pytest.fixture(params=[".h5ad", ".zarr"])
def path(tmp_path, request):
    adata = synthetic(30, 10, 3)
    adata.obs["text"] = [f"t{i}" for i in range(30)]
    adata.obs["old"] = np.arange(30)
    adata.obsm["X_pca"] = np.ones((30, 2))
    adata.uns = {"cell_type_colors": np.array(["#111111", "#222222", "#333333"]), "note": {"a": 1}}
    adata.layers["counts"] = adata.X.copy()
    adata.raw = adata
    path = tmp_path / f"cells{request.param}"
    adata.write_h5ad(path) if request.param == ".h5ad" else adata.write_zarr(path)
    return path


@pytest.fixture
def work(tmp_path):
    """Folder for the copy, with what a killed run left there."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "copy.h5ad").write_text("half")
    (folder / "copy.zarr").mkdir()
    return folder


def read(path) -> ad.AnnData:
    return ad.read_h5ad(path) if path.suffix == ".h5ad" else ad.read_zarr(path)


def filled() -> Results:
    results = Results()
    results.obs["old"] = np.arange(30) * 2
    results.add_labels(
        "label", ["a", "b", "c"] * 10, ["a", "b", "c"], {"a": "1", "b": "2", "c": "3"}
    )
    results.var["decoded"] = np.arange(10) < 3
    results.obsm["X_new"] = np.arange(90, dtype=np.float32).reshape(30, 3)
    results.layers["corrected"] = sparse.csr_matrix(np.eye(30, 10, dtype=np.float32))
    results.uns["scmamba"] = {"seed": 3, "params": {"a": True}}
    return results


@pytest.mark.parametrize("in_place", [False, True])
def test_results_are_added_and_the_rest_stays(path, work, in_place) -> None:
    before = read(path)
    output = path if in_place else path.with_name("out" + path.suffix)
    write_results(path, output, filled(), work)
    after = read(output)
    assert list(after.obs) == [*before.obs, "label"]
    assert after.obs["old"].tolist() == list(range(0, 60, 2))
    assert after.obs["label"].tolist() == ["a", "b", "c"] * 10
    pd.testing.assert_frame_equal(
        after.obs[["cell_type", "text"]], before.obs[["cell_type", "text"]]
    )
    np.testing.assert_array_equal(after.obsm["X_new"][:, 0], np.arange(0, 90, 3))
    np.testing.assert_array_equal(after.obsm["X_pca"], before.obsm["X_pca"])
    assert after.var["decoded"].sum() == 3 and after.layers["corrected"].nnz == 10
    assert list(after.uns["label_colors"]) == ["1", "2", "3"]
    assert after.uns["scmamba"]["seed"] == 3 and after.uns["note"]["a"] == 1
    assert list(after.uns["cell_type_colors"]) == list(before.uns["cell_type_colors"])
    for matrix in (lambda a: a.X, lambda a: a.layers["counts"], lambda a: a.raw.X):
        assert (matrix(after) != matrix(before)).nnz == 0
    assert not (work / f"copy{path.suffix}").exists()
    if not in_place:
        assert list(read(path).obs) == list(before.obs)


def test_an_array_is_written_in_parts(path, work, monkeypatch) -> None:
    """One kept in a file, of more rows than are written at once."""
    monkeypatch.setattr(writer, "_BYTES", 7 * 3 * 4)
    results = filled()
    kept = np.lib.format.open_memmap(work / "a.npy", "w+", np.float32, (30, 3))
    kept[:] = np.random.default_rng(0).random((30, 3))
    results.obsm["X_new"] = kept
    assert isinstance(results.obsm["X_new"], np.memmap)  # not read into memory on its way
    write_results(path, path, results, work)
    np.testing.assert_array_equal(read(path).obsm["X_new"], kept)


def test_colors_that_no_longer_hold_go(path, work) -> None:
    results = filled()
    results.stale.append("cell_type_colors")
    write_results(path, path, results, work)
    assert "cell_type_colors" not in read(path).uns


def test_a_failure_leaves_nothing_behind(path, work) -> None:
    results = filled()
    results.uns["scmamba"] = object()
    there = sorted(path.parent.iterdir())
    before = read(path)
    with pytest.raises(Exception, match="object"):
        write_results(path, path, results, work)
    assert not (work / f"copy{path.suffix}").exists()
    assert sorted(path.parent.iterdir()) == there
    assert list(read(path).obs) == list(before.obs)
