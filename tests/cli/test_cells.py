"""Cells from and to files."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba.cli._cells import check_column, read_cells, write_cells


@pytest.fixture
def cells() -> ad.AnnData:
    adata = ad.AnnData(np.eye(3, dtype=np.float32))
    adata.obs["label"] = ["a", "b", "c"]
    return adata


def test_round_trip(cells: ad.AnnData, tmp_path: Path) -> None:
    write_cells(cells, tmp_path / "cells.h5ad")
    back = read_cells(tmp_path / "cells.h5ad")
    assert (back.X == cells.X).all()
    assert [path.name for path in tmp_path.iterdir()] == ["cells.h5ad"]


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
    with pytest.raises(ScmambaError, match="does not exist"):
        read_cells(tmp_path / "none.h5ad")
    with pytest.raises(ScmambaError, match="is a folder"):
        read_cells(tmp_path)
    text = tmp_path / "text.h5ad"
    text.write_text("cells")
    with pytest.raises(ScmambaError, match="cannot be read as .h5ad"):
        read_cells(text)
    whole = tmp_path / "whole.h5ad"
    write_cells(cells, whole)
    cut = tmp_path / "cut.h5ad"
    cut.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(ScmambaError, match="cannot be read as .h5ad"):
        read_cells(cut)


def test_missing_column_is_named(cells: ad.AnnData) -> None:
    check_column(cells, None)
    check_column(cells, "label")
    with pytest.raises(ScmambaError, match="'type' is not in obs, which has label"):
        check_column(cells, "type")
