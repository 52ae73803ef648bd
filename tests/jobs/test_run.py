"""Inputs are opened once, outputs are locked, and what a kill left is used or removed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba._files import locked
from scmamba.datasets import synthetic
from scmamba.jobs import Results, file_job, job, open_jobs
from scmamba.jobs.file_job import FileJob
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """40 cells of 20 genes."""
    synthetic(40, 20, 2).write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def sum_of_cells(rows: slice, block: Expression) -> dict[str, np.ndarray]:
    return {"sum": np.asarray(block.X.sum(1)).ravel()}


def sums(path: Path | ad.AnnData, output: Path | None = None, copy: bool = False) -> object:
    """A task: the sum of each cell."""
    with open_jobs(path, output, copy=copy) as jobs:
        for one in jobs.pending("key"):
            one.compute(Expressions.of(one.source, block_values=60), "key", sum_of_cells)
            results = Results(obs={"sum": np.array(one.kept("sum"))})
            one.write(results, "key")
    return jobs.result


def test_memory_and_files_give_the_same(path: Path) -> None:
    adata = ad.read_h5ad(path)
    assert sums(adata) is adata
    assert sums(path, path.with_name("out.h5ad")) is None
    found = ad.read_h5ad(path.with_name("out.h5ad")).obs["sum"]
    np.testing.assert_allclose(found, adata.obs["sum"])
    np.testing.assert_allclose(found, np.asarray(adata.X.sum(1)).ravel())
    assert names(path.parent) == ["cells.h5ad", "out.h5ad"]


def test_a_copy_leaves_the_original(path: Path) -> None:
    adata = ad.read_h5ad(path)
    copy = sums(adata, copy=True)
    assert "sum" in copy.obs and "sum" not in adata.obs


def test_the_rna_of_a_mudata(path: Path) -> None:
    mudata = pytest.importorskip("mudata")
    both = mudata.MuData({"rna": ad.read_h5ad(path), "prot": synthetic(40, 5, 2)})
    copy = sums(both, copy=True)
    assert "sum" in copy.mod["rna"].obs and "sum" not in both.mod["rna"].obs
    sums(both)
    assert "sum" in both.mod["rna"].obs and "sum" not in both.mod["prot"].obs
    with pytest.raises(ScmambaError, match="no modality 'rna'; it has 'prot'"):
        sums(mudata.MuData({"prot": synthetic(40, 5, 2)}))


def test_an_output_that_another_process_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_job, "LOCK_SECONDS", 0.1)
    with (
        locked(path),
        pytest.raises(ScmambaError, match=r"cells.h5ad is being written by process \d+"),
    ):
        sums(path, path)
    sums(path, path)
    assert names(path.parent) == ["cells.h5ad"]


def test_a_file_that_changes_while_it_is_read_is_not_overwritten(path: Path) -> None:
    with (
        pytest.raises(ScmambaError, match="was changed by another process"),
        open_jobs(path, path) as jobs,
    ):
        synthetic(41, 20, 2).write_h5ad(path.with_name("new.h5ad"))
        path.with_name("new.h5ad").replace(path)
        jobs[0].write(Results(), "key")
    assert ad.read_h5ad(path).n_obs == 41


def test_a_store_set_aside_by_a_kill_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "cells.zarr"
    synthetic(40, 20, 2).write_zarr(path)
    path.rename(tmp_path / ".cells.zarr.old")
    sums(path, path)
    assert "sum" in ad.read_zarr(path).obs
    assert names(tmp_path) == ["cells.zarr"]


def test_files_written_in_place_keep_their_original_stamp(path: Path) -> None:
    """So that what was fitted to all files is found again after some of them were written."""
    with open_jobs(path, path) as jobs:
        before = jobs.stamp()
        jobs[0].write(Results(obs={"a": np.zeros(40)}), "key")
        for one in jobs:
            one.forget = lambda: None  # type: ignore[method-assign]
    with open_jobs(path, path) as jobs:
        assert jobs.stamp() == before
        assert jobs.pending("key") == [] and len(jobs.pending("other")) == 1


def test_what_was_fitted_is_found_by_the_same_call_alone(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_jobs(path, path) as jobs:
        jobs.remember("key", lambda folder: folder.write_text("fitted"))
        raise KeyboardInterrupt
    with open_jobs(path, path) as jobs:
        assert jobs.resume("other", Path.read_text) is None
        assert jobs.resume("key", Path.read_text) == "fitted"
    assert names(path.parent) == ["cells.h5ad"]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Files that were opened to be read."""
    found, open_cells = [], job.open_cells
    monkeypatch.setattr(job, "open_cells", lambda cells: found.append(cells) or open_cells(cells))
    return found


def test_each_file_is_opened_once(path: Path, opened: list[Path]) -> None:
    other = path.with_name("other.h5ad")
    synthetic(30, 20, 2).write_h5ad(other)
    sums([path, other], path.with_name("out"))
    assert opened == [path, other]


def test_a_full_disk_keeps_what_is_done(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = FileJob.write

    def full(*_: object) -> None:
        raise ScmambaError("cannot write: no space")

    monkeypatch.setattr(FileJob, "write", full)
    with pytest.raises(ScmambaError, match="no space"):
        sums(path, path)
    assert ".cells.h5ad.part" in names(path.parent)
    monkeypatch.setattr(FileJob, "write", write)
    sums(path, path)
    assert names(path.parent) == ["cells.h5ad"]
