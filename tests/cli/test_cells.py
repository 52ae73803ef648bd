"""Cells from and to files."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba.cli._cells import check_columns, read_results, write_cells


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
    back = read_results([path], path, "X_scmamba")
    assert back.obs["label"].tolist() == ["a", "b", "c"]
    assert list(back.obsm) == ["X_scmamba"]
    assert back.X is None
    assert [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]


def test_results_of_several_files_come_together(cells: ad.AnnData, tmp_path: Path) -> None:
    for name in ("a.h5ad", "b.h5ad"):
        write_cells(cells, tmp_path / name)
    back = read_results([Path("a.h5ad"), Path("b.h5ad")], tmp_path, "X_scmamba")
    assert back.obs["label"].tolist() == ["a", "b", "c"] * 2
    assert back.obsm["X_scmamba"].shape == (6, 2)


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
