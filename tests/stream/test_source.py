"""Cells in memory and on disk give the same blocks."""

from __future__ import annotations

import anndata as ad
import h5py
import numpy as np
import pytest
from scipy import sparse

from scmamba import ScmambaError
from scmamba.datasets import synthetic
from scmamba.stream import expressions, matrix
from scmamba.stream.expressions import Expressions
from scmamba.stream.formats import check_file
from scmamba.stream.source import InMemory, open_cells


@pytest.fixture
def cells() -> ad.AnnData:
    adata = synthetic(40, 20, 3)
    adata.layers["counts"] = adata.X.copy()
    adata.raw = adata
    return adata


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "BLOCK_VALUES", 64)


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
    assert len(blocks) > 3
    assert [rows.start for rows, _ in blocks[1:]] == [rows.stop for rows, _ in blocks[:-1]]
    together = sparse.vstack([block.X for _, block in blocks]).toarray()
    np.testing.assert_array_equal(together, cells.X.toarray())
    assert found.first.integer
    assert source.obs.index.equals(cells.obs_names)


@pytest.mark.parametrize("form", ["csr", "csc", "dense"])
@pytest.mark.parametrize("where", [{}, {"layer": "counts"}, {"use_raw": True}])
def test_a_backed_anndata_gives_the_same_blocks(cells, tmp_path, form, where) -> None:
    backed = ad.read_h5ad(written(cells, tmp_path, form), backed="r")
    with open_cells(backed) as source:
        assert not source.in_memory
        blocks = list(Expressions.of(source, **where).blocks())
    assert len(blocks) > 3
    together = sparse.vstack([block.X for _, block in blocks])
    np.testing.assert_array_equal(together.toarray(), cells.X.toarray())


def test_only_the_matrix_asked_for_is_read(cells, tmp_path, monkeypatch) -> None:
    """A layer by columns, too large to be read, is of no matter where X is taken."""
    cells.layers["columns"] = cells.X.tocsc()
    path = written(cells, tmp_path, "csr")
    monkeypatch.setattr(matrix, "_CSC_VALUES", 10)
    with open_cells(path) as source:
        assert set(source.matrices) == {"X", "raw.X", "layers['counts']", "layers['columns']"}
        assert sum(len(block.X.data) for _, block in Expressions.of(source).blocks())
        with pytest.raises(ScmambaError, match=r"layers\['columns'\] of .*by columns"):
            Expressions.of(source, layer="columns")


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
        with pytest.raises(ScmambaError, match=f"NaN.*in row 30 .{cells.obs_names[30]}"):
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
        ranks = Expressions.of(source, one_unit=False)  # ranks are the same in any unit
        assert sum(block.X.shape[0] for _, block in ranks.blocks()) == 40


def test_empty_cells_do_not_decide_the_unit(cells, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("scmamba.stream.expressions._PROBE", 5)
    X = np.log1p(cells.X.toarray())
    X[:20] = 0
    cells.X = sparse.csr_matrix(X)
    with open_cells(written(cells, tmp_path, "csr")) as source:
        found = Expressions.of(source)
        assert not found.first.integer
        assert not any(block.integer for _, block in found.blocks())


def test_names_that_repeat_are_told_once(cells, tmp_path, caplog) -> None:
    cells.obs_names = ["cell"] * 40
    cells.var_names = [cells.var_names[1], *cells.var_names[1:]]
    path = written(cells, tmp_path, "csr")
    caplog.set_level("INFO", "scmamba")
    with open_cells(path) as source:
        assert len(list(Expressions.of(source).blocks())) > 3
    assert caplog.text.count("are not unique") == caplog.text.count("repeat an earlier") == 1


def test_what_is_no_file_of_cells_is_told(cells, tmp_path) -> None:
    with pytest.raises(ScmambaError, match="does not exist"):
        check_file(tmp_path / "none.h5ad")
    with pytest.raises(ScmambaError, match="does not exist; allowed: .h5ad, .zarr"):
        check_file(tmp_path / "cells.csv")
    (tmp_path / "folder.h5ad").mkdir()
    with pytest.raises(ScmambaError, match="is a folder"):
        check_file(tmp_path / "folder.h5ad")
    (tmp_path / "text.h5ad").write_text("cells")
    with pytest.raises(ScmambaError, match="cannot be read"), open_cells(tmp_path / "text.h5ad"):
        pass
    h5py.File(tmp_path / "other.h5ad", "w").close()
    with pytest.raises(ScmambaError, match="cannot be read"), open_cells(tmp_path / "other.h5ad"):
        pass
    cells.write_h5ad(tmp_path / "damaged.h5ad")
    with h5py.File(tmp_path / "damaged.h5ad", "r+") as file:
        del file["X"]
        file["X"] = h5py.SoftLink("/lost")
    with (
        pytest.raises(ScmambaError, match="cannot be read"),
        open_cells(tmp_path / "damaged.h5ad"),
    ):
        pass
    with h5py.File(tmp_path / "old.h5ad", "w") as file:  # a table as one array, of long ago
        for name in ("obs", "var"):
            file[name] = np.zeros(3, [("index", "S3"), ("n", "f4")])
    with pytest.raises(ScmambaError, match="old version"), open_cells(tmp_path / "old.h5ad"):
        pass


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_no_cells_and_no_genes_are_told(tmp_path, shape) -> None:
    ad.AnnData(np.zeros(shape, np.float32)).write_h5ad(tmp_path / "none.h5ad")
    with pytest.raises(ScmambaError, match="has no"), open_cells(tmp_path / "none.h5ad"):
        pass


def test_a_layer_that_is_not_there_is_told_with_those_that_are(cells, tmp_path) -> None:
    with open_cells(written(cells, tmp_path, "csr")) as source:
        with pytest.raises(ScmambaError, match="layer='no'.*layers here: 'counts'"):
            Expressions.of(source, layer="no")
        assert len(source.take(slice(0, 3)).layers) == 1
