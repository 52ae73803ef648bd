"""Cells in memory and on disk give the same blocks."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from scmamba import ScmambaError
from scmamba.datasets import synthetic
from scmamba.stream import source as module
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import InMemory, check_file, open_cells, ranges


@pytest.fixture
def cells() -> ad.AnnData:
    adata = synthetic(40, 20, 3)
    adata.layers["counts"] = adata.X.copy()
    adata.raw = adata
    return adata


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_VALUES", 64)


def written(adata: ad.AnnData, path, form: str):
    """The file, with X as ``form`` says."""
    change = {
        "csr": lambda X: X,
        "csc": lambda X: X.tocsc(),
        "dense": lambda X: X.toarray(),
        "int": lambda X: X.astype(np.int32),
    }
    adata = adata.copy()
    adata.X = change.get(form, change["csr"])(adata.X)
    if form == "zarr":
        adata.write_zarr(path / "cells.zarr")
        return path / "cells.zarr"
    adata.write_h5ad(path / "cells.h5ad", compression="gzip" if form == "csr" else None)
    return path / "cells.h5ad"


@pytest.mark.parametrize("form", ["csr", "csc", "dense", "int", "zarr"])
@pytest.mark.parametrize("where", [{}, {"layer": "counts"}, {"use_raw": True}])
def test_blocks_of_a_file_are_the_rows_of_the_matrix(cells, tmp_path, form, where) -> None:
    with open_cells(written(cells, tmp_path, form)) as source:
        found = Expressions.of(source, **where)
        blocks = list(found.blocks())
    assert len(blocks) > 3 or form == "csc"
    assert [rows.start for rows, _ in blocks[1:]] == [rows.stop for rows, _ in blocks[:-1]]
    together = sparse.vstack([block.X for _, block in blocks]).toarray()
    np.testing.assert_array_equal(together, cells.X.toarray())
    assert found.first.integer
    assert source.obs.index.equals(cells.obs_names)


def test_a_backed_anndata_gives_the_same_blocks(cells, tmp_path) -> None:
    cells = cells[np.arange(700) % 40].copy()
    cells.obs_names_make_unique()
    backed = ad.read_h5ad(written(cells, tmp_path, "csr"), backed="r")
    with open_cells(backed) as source:
        blocks = list(Expressions.of(source).blocks())
    assert len(blocks) == 3
    together = sparse.vstack([block.X for _, block in blocks])
    np.testing.assert_array_equal(together.toarray(), cells.X.toarray())


def test_start_skips_rows_that_are_done(cells, tmp_path) -> None:
    with open_cells(written(cells, tmp_path, "csr")) as source:
        rows = [rows for rows, _ in Expressions.of(source).blocks(start=7)]
    assert rows[0].start == 7 and rows[-1].stop == 40


def test_one_block_in_memory_is_the_anndata_itself(cells) -> None:
    with open_cells(cells) as source:
        assert isinstance(source, InMemory)
        assert source.take(slice(0, 40)) is cells


def test_scaled_values_on_disk_give_way_to_raw(cells, tmp_path) -> None:
    counts = cells.X.toarray()
    cells.X = cells.X.toarray() - 1
    with open_cells(written(cells, tmp_path, "other")) as source:
        found = Expressions.of(source)
        assert found.first.source == "raw.X"
        together = sparse.vstack([block.X for _, block in found.blocks()])
    np.testing.assert_array_equal(together.toarray(), counts)


def test_bad_values_in_a_later_block_name_the_cell(cells, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("scmamba.stream.expressions._PROBE", 5)
    cells.X[30, 2] = np.nan
    cells.raw = None
    with open_cells(written(cells, tmp_path, "csr")) as source:
        found = Expressions.of(source)
        with pytest.raises(ScmambaError, match=f"NaN.*{cells.obs_names[30]}"):
            list(found.blocks())


def test_counts_and_other_values_mixed_are_told(cells, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("scmamba.stream.expressions._PROBE", 5)
    X = cells.X.toarray()
    X[20:] = np.log1p(X[20:])
    cells.X = sparse.csr_matrix(X)
    with open_cells(written(cells, tmp_path, "csr")) as source:
        found = Expressions.of(source)
        with pytest.raises(ScmambaError, match="counts in its first cells"):
            list(found.blocks())


def test_columns_on_disk_that_are_too_many_are_refused(cells, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_CSC_VALUES", 10)
    path = written(cells, tmp_path, "csc")
    with pytest.raises(ScmambaError, match="by columns"), open_cells(path):
        pass


def test_what_is_no_file_of_cells_is_told(cells, tmp_path) -> None:
    with pytest.raises(ScmambaError, match="does not exist"):
        check_file(tmp_path / "none.h5ad")
    with pytest.raises(ScmambaError, match="allowed: .h5ad or .zarr"):
        check_file(tmp_path / "cells.csv")
    (tmp_path / "folder.h5ad").mkdir()
    with pytest.raises(ScmambaError, match="is a folder"):
        check_file(tmp_path / "folder.h5ad")
    (tmp_path / "text.h5ad").write_text("cells")
    with pytest.raises(ScmambaError, match="cannot be read"), open_cells(tmp_path / "text.h5ad"):
        pass
    import h5py

    h5py.File(tmp_path / "other.h5ad", "w").close()
    with pytest.raises(ScmambaError, match="no AnnData file"), open_cells(tmp_path / "other.h5ad"):
        pass


def test_ranges_cover_all_rows_once() -> None:
    assert list(ranges(5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(ranges(5, 2, 4)) == [slice(4, 5)]
    assert list(ranges(5, 2, 5)) == []
