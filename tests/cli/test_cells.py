"""Cells from and to files."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba.cli import _cells
from scmamba.cli._cells import check_columns, read_results, read_some, write_cells


@pytest.fixture
def cells() -> ad.AnnData:
    adata = ad.AnnData(np.eye(3, dtype=np.float32))
    adata.obs["label"] = ["a", "b", "c"]
    adata.obsm["X_scmamba"] = np.ones((3, 2))
    adata.obsm["X_other"] = np.ones((3, 2))
    return adata


def test_round_trip_without_expression(cells: ad.AnnData, tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    write_cells(cells, path)
    back = read_results([path], path)
    assert back.obs["label"].tolist() == ["a", "b", "c"]
    assert list(back.obsm) == [] and back.X is None
    some = read_some([path], path, back, "X_scmamba", {})
    assert list(some.obsm) == ["X_scmamba"]
    assert [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]


@pytest.mark.parametrize("most", [5, 100])
def test_results_of_several_files_come_together(
    cells: ad.AnnData, tmp_path: Path, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cells._take, "__defaults__", (2,))
    cells = cells[np.arange(30) % 3].copy()
    cells.obsm["X_scmamba"] = np.arange(60.0).reshape(30, 2)
    cells.obs["row"] = np.arange(30.0) * 2
    cells.obsm["X_umap"] = np.ones((30, 2))
    write_cells(cells, tmp_path / "a.h5ad")
    cells.obs["row"] += 60
    cells.obsm["X_scmamba"] += 60
    del cells.obsm["X_umap"]  # not all have it, so it is no picture of all
    write_cells(cells, tmp_path / "b.h5ad")
    files = [Path("a.h5ad"), Path("b.h5ad")]
    back = read_results(files, tmp_path)
    assert back.obs["label"].tolist() == ["a", "b", "c"] * 20
    some = read_some(files, tmp_path, back, "X_scmamba", {}, most)
    assert some.n_obs == min(most, 60)
    np.testing.assert_array_equal(some.obsm["X_scmamba"][:, 0], some.obs["row"])
    assert list(some.obsm) == ["X_scmamba"]


def test_failed_write_leaves_the_old_file(cells: ad.AnnData, tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    write_cells(cells, path)
    before = path.read_bytes()
    cells.uns["unwritable"] = object()
    with pytest.raises(Exception, match="unwritable|object"):
        write_cells(cells, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_unreadable_files_are_one_clear_error(cells: ad.AnnData, tmp_path: Path) -> None:
    whole = tmp_path / "whole.h5ad"
    write_cells(cells, whole)
    cut = tmp_path / "cut.h5ad"
    cut.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(ScmambaError, match="cut.h5ad"):
        check_columns([cut], None)


def test_missing_column_is_named(cells: ad.AnnData, tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    write_cells(cells, path)
    check_columns([path], None)
    check_columns([path], "label")
    with pytest.raises(ScmambaError, match="'type' is not in obs of .*cells.h5ad, which has label"):
        check_columns([path], "type")
