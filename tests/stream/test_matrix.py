"""Rows of a matrix, wherever it is, and blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import zarr
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

from scmamba import ScmambaError
from scmamba.stream import matrix as module
from scmamba.stream.matrix import row_matrix


@pytest.fixture
def values() -> np.ndarray:
    """40 rows of 0 to 20 counts: the last store many more than the first."""
    rng = np.random.default_rng(0)
    there = rng.random((40, 20)) < np.linspace(0, 1, 40)[:, None]
    return rng.poisson(3, (40, 20)) * there * 1.0


FORMS = {
    "csr": sparse.csr_matrix,
    "csr array": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "dense": np.asarray,
    "int": lambda x: sparse.csr_matrix(x.astype(np.int16)),
}


@pytest.fixture(params=["memory", "h5", "zarr"])
def stored(request, tmp_path: Path) -> Iterator[object]:
    """Store a matrix, and give what is stored."""

    def store(given: object) -> object:
        if request.param == "memory":
            return given
        group = (
            h5py.File(tmp_path / "a.h5", "w")
            if request.param == "h5"
            else zarr.open_group(tmp_path / "a.zarr", mode="w")
        )
        write_elem(group, "X", given)
        return group["X"]

    return store


def blocks(found, n_values: int) -> list[slice]:
    rows = [slice(0, 0)]
    while rows[-1].stop < found.shape[0]:
        rows.append(found.block(rows[-1].stop, n_values))
    return rows[1:]


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_the_rows(values, stored, form) -> None:
    found = row_matrix(stored(FORMS[form](values)), "X")
    assert found.shape == values.shape
    for rows in (slice(0, 1), slice(7, 31), slice(0, 40), slice(40, 40)):
        taken = found.take(rows)
        taken = taken.toarray() if sparse.issparse(taken) else taken
        np.testing.assert_array_equal(taken, values[rows])


@pytest.mark.parametrize("n_values", [1, 50, 10_000])
@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
def test_blocks_cover_all_rows_and_store_no_more_than_asked(values, stored, form, n_values) -> None:
    found = row_matrix(stored(FORMS[form](values)), "X")
    rows = blocks(found, n_values)
    assert [one.start for one in rows[1:]] == [one.stop for one in rows[:-1]]
    assert rows[-1].stop == 40
    per_row = np.full(40, 20) if form == "dense" else (values != 0).sum(1)
    for one in rows:
        n_rows = one.stop - one.start
        assert per_row[one].sum() <= max(n_values, per_row[one][0]) or form == "dense"
        if form == "dense":
            assert n_rows <= max(n_values // 20, 1) * 5
        if one.stop < 40 and form != "dense":  # another row would have been too many
            assert per_row[one.start : one.stop + 1].sum() > n_values


def test_rows_without_values_are_limited_too(monkeypatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 7)
    found = row_matrix(sparse.csr_matrix((40, 20)), "X")
    assert {one.stop - one.start for one in blocks(found, 100)} == {7, 5}


def test_whole_chunks_of_a_dense_matrix_are_taken(tmp_path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        found = row_matrix(file.create_dataset("X", (40, 20), "f4", chunks=(6, 4)), "X")
        assert [one.start for one in blocks(found, 60)] == [0, 6, 12, 18, 24, 30, 36]
        assert found.block(3, 60) == slice(3, 6)
        wide = row_matrix(file.create_dataset("Y", (40, 20), "f4", chunks=(40, 1)), "Y")
        assert wide.block(0, 60) == slice(0, 3)  # a chunk of all rows would be too much


def test_backed_anndata(values, tmp_path) -> None:
    for form in ("csr", "csc", "dense"):
        ad.AnnData(FORMS[form](values)).write_h5ad(tmp_path / "a.h5ad")
        backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
        taken = row_matrix(backed.X, "X").take(slice(3, 9))
        taken = taken.toarray() if sparse.issparse(taken) else taken
        np.testing.assert_array_equal(taken, values[3:9])
        backed.file.close()


def test_columns_are_read_once_with_a_warning_or_refused(values, tmp_path, monkeypatch, caplog):
    caplog.set_level("WARNING", "scmamba")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write_elem(file, "X", sparse.csc_matrix(values))
        found = row_matrix(sparse_dataset(file["X"]), "X of cells")
        assert not caplog.records  # nothing is read before rows are asked for
        found.take(slice(0, 3)), found.take(slice(3, 5))
        assert caplog.text.count("X of cells is stored by columns") == 1
        monkeypatch.setattr(module, "_CSC_VALUES", 10)
        found = row_matrix(file["X"], "X of cells")
        with pytest.raises(ScmambaError, match="X of cells.*by columns.*tocsr"):
            found.take(slice(0, 3))
