"""Results go into a copy of a file, in which all else stays as it was."""

from __future__ import annotations

from weakref import ref

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scmamba.datasets import synthetic
from scmamba.jobs import Results, RowBlocks, writer
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
    whole = sparse.csr_matrix(np.eye(30, 10, dtype=np.float32))
    results.layers["corrected"] = RowBlocks((30, 10), lambda: iter([whole[:4], whole[4:]]))
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


def test_a_layer_is_made_and_written_block_by_block(path, work) -> None:
    """No two blocks are in memory together, and the file holds what all of them say."""
    dense = sparse.random(30, 10, 0.3, "csr", np.float32, random_state=0).toarray()
    dense[:4] = dense[8:16] = 0  # a block, and the first one, may hold nothing
    whole, made = sparse.csr_matrix(dense), []

    def make():
        for start in range(0, 30, 4):
            assert not any(one() is not None for one in made)
            block = whole[start : start + 4]
            made.append(ref(block))
            yield block
            del block

    results = Results()
    results.layers["counts"] = RowBlocks((30, 10), make)  # instead of the one that is there
    write_results(path, path, results, work)
    found = read(path).layers["counts"]
    assert found.dtype == np.float32 and found.has_canonical_format and len(made) == 8
    np.testing.assert_array_equal(found.toarray(), dense)


def test_an_error_while_a_layer_is_made_is_its_own(path, work) -> None:
    """It is no damage of the file that was read."""

    def make():
        raise RuntimeError("out of memory on the device")
        yield

    results = Results()
    results.layers["counts"] = RowBlocks((30, 10), make)
    with pytest.raises(RuntimeError, match="out of memory on the device"):
        write_results(path, path, results, work)


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
