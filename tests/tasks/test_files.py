"""embed, annotate and integrate on files: as in memory, written whole, resumed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
import zarr
from anndata.io import read_elem, sparse_dataset
from scipy import sparse

from scmamba import ScmambaError, models, settings
from scmamba.jobs import checkpoint, file_job, job
from scmamba.stream import expressions
from scmamba.tasks import (
    IntegrationTraining,
    _annotation_labels,
    _forward,
    _integrating,
    _integration_results,
    embed,
    integrate,
)
from scmamba.tasks._annotation import examples, task
from scmamba.tasks._integration.sampling import sample_batches
from tests.tasks.tiny import annotate


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (_forward, expressions):
        monkeypatch.setattr(module, "BLOCK_VALUES", 500)


@pytest.fixture(params=["h5ad", "zarr"])
def path(cells: ad.AnnData, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return write(cells, tmp_path / f"cells.{request.param}")


def write(cells: ad.AnnData, path: Path) -> Path:
    cells.write_h5ad(path) if path.suffix == ".h5ad" else cells.write_zarr(path)
    return path


def read(path: Path) -> ad.AnnData:
    return ad.read_h5ad(path) if path.suffix == ".h5ad" else ad.read_zarr(path)


def there(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.fixture
def model(cells: ad.AnnData, tiny_model) -> models.CellModel:
    return tiny_model(cells.var_names.tolist())


class Stop(Exception):
    pass


def stop_after(monkeypatch: pytest.MonkeyPatch, n_blocks: int) -> None:
    """Let a run fail when it has kept so many blocks."""
    put, done = checkpoint.Checkpoint.put, []

    def stopping(self, rows, columns):
        if len(done) == n_blocks:
            raise Stop
        put(self, rows, columns)
        done.append(rows)

    monkeypatch.setattr(checkpoint.Checkpoint, "put", stopping)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[slice]:
    """The rows that are computed from now on."""
    put, rows = checkpoint.Checkpoint.put, []

    def counting(self, block, columns):
        rows.append(block)
        put(self, block, columns)

    monkeypatch.setattr(checkpoint.Checkpoint, "put", counting)
    return rows


def test_a_file_is_embedded_as_its_cells_in_memory(cells, path, model, monkeypatch) -> None:
    rows = counted(monkeypatch)
    output = path.with_name("out" + path.suffix)
    assert embed(path, model, output=output, gene_embeddings=True) is model
    assert len(rows) > 3
    after = read(output)
    embed(cells, model, gene_embeddings=True)
    np.testing.assert_allclose(after.obsm["X_scmamba"], cells.obsm["X_scmamba"], atol=1e-5)
    np.testing.assert_array_equal(
        after.varm["scmamba_gene_embedding"], cells.varm["scmamba_gene_embedding"]
    )
    assert after.uns["scmamba"]["genes_matched"] == cells.uns["scmamba"]["genes_matched"]
    assert after.uns["scmamba"]["source"] == "X"
    assert (after.X != cells.X).nnz == 0
    assert there(path.parent) == [path.name, output.name]


def test_a_file_is_written_into_itself(cells, path, model) -> None:
    embed(path, model, output=path, layer="counts", key_added="mine")
    assert "X_mine" in read(path).obsm
    assert there(path.parent) == [path.name]


def test_a_backed_anndata_with_output_is_its_file(cells, tmp_path, model) -> None:
    backed = ad.read_h5ad(write(cells, tmp_path / "cells.h5ad"), backed="r")
    embed(backed, model, output=tmp_path / "out.h5ad")
    assert "X_scmamba" in read(tmp_path / "out.h5ad").obsm
    assert "X_scmamba" not in backed.obsm


def test_many_files_go_to_a_folder(cells, tmp_path, model) -> None:
    paths = [write(cells[:40], tmp_path / "a.h5ad"), write(cells[40:], tmp_path / "b.zarr")]
    embed(paths, model, output=tmp_path / "out")
    embed(cells, model)
    together = [read(tmp_path / "out" / name).obsm["X_scmamba"] for name in ("a.h5ad", "b.zarr")]
    np.testing.assert_allclose(np.vstack(together), cells.obsm["X_scmamba"], atol=1e-5)
    assert there(tmp_path / "out") == ["a.h5ad", "b.zarr"]


def test_a_stopped_run_goes_on_where_it_was(cells, path, model, monkeypatch, caplog) -> None:
    output = path.with_name("out" + path.suffix)
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Stop):
            embed(path, model, output=output)
    assert not output.exists()
    rows = counted(monkeypatch)
    caplog.set_level("INFO", "scmamba")
    embed(path, model, output=output)
    assert rows[0].start > 0 and "resuming after" in caplog.text
    assert there(path.parent) == [path.name, output.name]
    once = path.with_name("once" + path.suffix)
    embed(path, model, output=once)
    np.testing.assert_array_equal(read(output).obsm["X_scmamba"], read(once).obsm["X_scmamba"])


@pytest.mark.parametrize("change", ["options", "file", "model"])
def test_another_call_begins_anew(cells, tmp_path, model, tiny_model, monkeypatch, change) -> None:
    path, output = write(cells, tmp_path / "cells.h5ad"), tmp_path / "out.h5ad"
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Stop):
            embed(path, model, output=output)
    rows = counted(monkeypatch)
    if change == "file":
        write(cells[::-1].copy(), path)
    if change == "model":
        model.gene_embedding.embedding.weight.data[3] += 1
    embed(path, model, output=output, normalize=change != "options")
    assert rows[0].start == 0


def test_finished_files_of_a_stopped_run_are_not_done_again(
    cells, tmp_path, model, monkeypatch
) -> None:
    paths = [write(cells[:40], tmp_path / "a.h5ad"), write(cells[40:], tmp_path / "b.h5ad")]
    with monkeypatch.context() as patch:
        rows = counted(patch)
        embed(paths[0], model, output=tmp_path / "first.h5ad")
        n_blocks = len(rows)
    with monkeypatch.context() as patch:
        stop_after(patch, n_blocks + 1)
        with pytest.raises(Stop):
            embed(paths, model, output=tmp_path / "out")
    before = (tmp_path / "out" / "a.h5ad").stat().st_mtime_ns
    rows = counted(monkeypatch)
    embed(paths, model, output=tmp_path / "out")
    assert (tmp_path / "out" / "a.h5ad").stat().st_mtime_ns == before
    assert rows[0].start > 0
    assert there(tmp_path / "out") == ["a.h5ad", "b.h5ad"]


def test_a_killed_process_is_gone_on_with(cells, tmp_path, model) -> None:
    path = write(cells, tmp_path / "cells.h5ad")
    models.save(model, tmp_path / "model")
    script = f"""
        import os, signal
        from scmamba._settings import settings
        from scmamba.jobs import checkpoint
        from scmamba.tasks import _forward, embed
        _forward.BLOCK_VALUES, settings.device = 500, "cpu"
        put = checkpoint.Checkpoint.put
        def killed(self, rows, columns):
            put(self, rows, columns)
            if self.done > 30:
                os.kill(os.getpid(), signal.SIGKILL)
        checkpoint.Checkpoint.put = killed
        embed({str(path)!r}, {str(tmp_path / "model")!r}, output={str(tmp_path / "out.h5ad")!r})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out.h5ad").exists()
    kept = checkpoint.read_state(tmp_path / ".out.h5ad.part")
    assert 30 < kept["done"] < 90
    embed(path, tmp_path / "model", output=tmp_path / "out.h5ad")
    assert there(tmp_path) == ["cells.h5ad", "model", "out.h5ad"]
    embed(path, tmp_path / "model", output=tmp_path / "once.h5ad")
    found, once = (read(tmp_path / name).obsm["X_scmamba"] for name in ("out.h5ad", "once.h5ad"))
    np.testing.assert_array_equal(found, once)


@pytest.mark.parametrize("change", ["source", "output"])
def test_finished_files_that_changed_are_done_again(
    cells, tmp_path, model, monkeypatch, change
) -> None:
    paths = [write(cells[:40], tmp_path / "a.h5ad"), write(cells[40:], tmp_path / "b.h5ad")]
    output = tmp_path / "out" / "a.h5ad"
    with monkeypatch.context() as patch:
        write_one = file_job.FileJob.write
        patch.setattr(
            file_job.FileJob, "write", lambda *a: write_one(*a) or exec("raise Stop", globals())
        )
        with pytest.raises(Stop):
            embed(paths, model, output=tmp_path / "out")
    write(cells[30:70], paths[0] if change == "source" else output)
    embed(paths, model, output=tmp_path / "out")
    expected = cells[30:70] if change == "source" else cells[:40]
    assert read(output).obs_names.tolist() == expected.obs_names.tolist()
    assert "X_scmamba" in read(output).obsm


def test_files_in_place_are_finished_once(cells, tmp_path, model, monkeypatch) -> None:
    paths = [write(cells[:40], tmp_path / "a.h5ad"), write(cells[40:], tmp_path / "b.h5ad")]
    with monkeypatch.context() as patch:
        write_one = file_job.FileJob.write
        patch.setattr(
            file_job.FileJob, "write", lambda *a: write_one(*a) or exec("raise Stop", globals())
        )
        with pytest.raises(Stop):
            embed(paths, model, output=tmp_path)
    rows = counted(monkeypatch)
    embed(paths, model, output=tmp_path)
    assert sum(one.stop - one.start for one in rows) == 50
    assert there(tmp_path) == ["a.h5ad", "b.h5ad"]


def test_every_file_is_looked_at_before_any_is_worked_on(cells, tmp_path, model, monkeypatch):
    other = cells[40:].copy()
    other.var_names = [f"other_{i}" for i in range(60)]
    paths = [write(cells[:40], tmp_path / "a.h5ad"), write(other, tmp_path / "b.h5ad")]
    rows = counted(monkeypatch)
    with pytest.raises(ScmambaError, match="b.h5ad: only 0 of 60 genes match"):
        embed(paths, model, output=tmp_path / "out")
    assert not rows and there(tmp_path / "out") == []


def test_domains_are_counted_over_all_files(cells, tmp_path, tiny_model) -> None:
    """The second file holds the last batch alone, which is domain 2 there too."""
    model = tiny_model(cells.var_names.tolist(), input_norm="domain", n_domains=3, n_batches=3)
    with torch.no_grad():
        for i, norm in enumerate(model.input_norm.bns):
            norm.running_mean += i
    last = (cells.obs["batch"] == "batch_2").to_numpy()
    paths = [write(cells[~last], tmp_path / "a.h5ad"), write(cells[last], tmp_path / "b.h5ad")]
    embed(paths, model, batch_key="batch", output=tmp_path / "out")
    embed(cells, model, batch_key="batch")
    for one, rows in zip(paths, (~last, last), strict=True):
        found = read(tmp_path / "out" / one.name).obsm["X_scmamba"]
        np.testing.assert_allclose(found, cells.obsm["X_scmamba"][rows], atol=1e-5)


def test_no_room_is_told_before_any_work(cells, tmp_path, model, monkeypatch) -> None:
    path = write(cells, tmp_path / "cells.h5ad")
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(ScmambaError, match="GB are needed"):
        embed(path, model, output=tmp_path / "out.h5ad")
    assert there(tmp_path) == ["cells.h5ad"]


def test_ranks_need_no_common_unit_and_log_values_do(cells, tmp_path, tiny_model, monkeypatch):
    monkeypatch.setattr("scmamba.stream.expressions._PROBE", 5)
    X = cells.X.toarray()
    X[40:] = np.log1p(X[40:])
    cells.X = sparse.csr_matrix(X)
    path, genes = write(cells, tmp_path / "cells.h5ad"), cells.var_names.tolist()
    embed(path, tiny_model(genes), output=tmp_path / "out.h5ad")
    with pytest.raises(ScmambaError, match="counts in its first cells"):
        embed(path, tiny_model(genes, value_type="lognorm"), output=tmp_path / "out.h5ad")
    assert there(tmp_path) == ["cells.h5ad", "out.h5ad"]  # nothing half done is left


def test_a_large_model_gets_smaller_blocks(tiny_model, monkeypatch) -> None:
    model = tiny_model(["a", "b"])
    monkeypatch.setattr(_forward, "_WEIGHTS", 1)
    assert _forward.block_values(model) == _forward.BLOCK_VALUES // 16


def test_bad_values_late_in_a_file_leave_no_output(cells, tmp_path, model, monkeypatch) -> None:
    monkeypatch.setattr("scmamba.stream.expressions._PROBE", 5)
    X = cells.X.toarray()
    X[80, 3] = -1
    cells.X, cells.raw = sparse.csr_matrix(X), None
    path = write(cells, tmp_path / "cells.h5ad")
    with pytest.raises(ScmambaError, match=f"negative.*{cells.obs_names[80]}"):
        embed(path, model, output=tmp_path / "out.h5ad")
    assert there(tmp_path) == ["cells.h5ad"]


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ("cells.h5ad", {}, "give output="),
        ("cells.h5ad", {"output": "out.zarr"}, "ends in .h5ad too"),
        ("cells.h5ad", {"output": "none/out.h5ad"}, "does not exist"),
        ("cells.h5ad", {"output": "out.h5ad", "copy": True}, "copy=True is for an AnnData"),
        ("none.h5ad", {"output": "out.h5ad"}, "none.h5ad does not exist"),
        ("cells.csv", {"output": "out.csv"}, "allowed: .h5ad, .zarr"),
        (["cells.h5ad", "cells.h5ad"], {"output": "out"}, "comes more than once"),
        (["cells.h5ad"], {}, "need a folder"),
        (["cells.h5ad"], {"output": "out.h5ad"}, "give a folder"),
        ([], {"output": "out"}, "one at least"),
        ([3], {"output": "out"}, "holds paths"),
        (3, {"output": "out.h5ad"}, "allowed: an AnnData"),
    ],
)
def test_wrong_files_are_told(cells, tmp_path, model, monkeypatch, given, options, message) -> None:
    monkeypatch.chdir(tmp_path)
    write(cells, tmp_path / "cells.h5ad")
    with pytest.raises(ScmambaError, match=message):
        embed(given, model, **options)
    assert "out.h5ad" not in there(tmp_path)


def test_output_is_not_for_cells_in_memory(cells, model, tmp_path) -> None:
    with pytest.raises(ScmambaError, match="omit output"):
        embed(cells, model, output=tmp_path / "out.h5ad")


COLUMNS = ["scmamba_cell_type", "scmamba_best_guess", "scmamba_confidence", "scmamba_ood_score"]


def same_annotation(one: ad.AnnData, other: ad.AnnData) -> None:
    for name in COLUMNS[:2]:
        pd.testing.assert_series_equal(one.obs[name], other.obs[name])
    for name in COLUMNS[2:]:
        np.testing.assert_allclose(one.obs[name], other.obs[name], atol=1e-5)
    np.testing.assert_allclose(one.obsm["X_scmamba"], other.obsm["X_scmamba"], atol=1e-5)
    assert list(one.uns["scmamba_best_guess_colors"]) == list(
        other.uns["scmamba_best_guess_colors"]
    )


def test_labels_within_a_file(cells, path, quick) -> None:
    cells.obs["label"] = cells.obs["label"].astype("category")
    cells.uns["label_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    output = path.with_name("out" + path.suffix)
    annotate(write(cells, path.with_name("l" + path.name)), labels_key="label", output=output)
    annotate(cells, labels_key="label")
    same_annotation(read(output), cells)


def test_a_reference_in_a_file_brings_its_colors(cells, tmp_path, quick) -> None:
    cells.obs["cell_type"] = cells.obs["cell_type"].astype("category")
    reference = write(cells[:60], tmp_path / "reference.h5ad")
    query = cells[60:].copy()
    query.obs = query.obs[[]]
    query.uns = {}
    path, output = write(query, tmp_path / "query.h5ad"), tmp_path / "out.h5ad"
    annotate(path, reference=reference, labels_key="cell_type", output=output)
    annotate(query, reference=cells[:60].copy(), labels_key="cell_type")
    same_annotation(read(output), query)
    assert query.uns["scmamba_best_guess_colors"] == ["#ff0000", "#00ff00", "#0000ff"]


def test_many_files_with_a_saved_annotator(cells, tmp_path, quick) -> None:
    annotator = annotate(cells, labels_key="label")
    paths = [write(cells[:40], tmp_path / "a.h5ad"), write(cells[40:], tmp_path / "b.h5ad")]
    annotate(paths, model=annotator.save(tmp_path / "saved"), output=tmp_path / "out")
    found = [read(tmp_path / "out" / one.name).obs["scmamba_best_guess"] for one in paths]
    assert pd.concat(found).tolist() == cells.obs["scmamba_best_guess"].tolist()


def in_two_files(cells: ad.AnnData, folder: Path) -> list[Path]:
    return [write(cells[:40], folder / "a.h5ad"), write(cells[40:], folder / "b.h5ad")]


def test_labels_within_many_files_are_learned_from_together(cells, tmp_path, quick) -> None:
    cells.obs["label"] = cells.obs["label"].astype("category")
    cells.uns["label_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    paths = in_two_files(cells, tmp_path)
    fitted = annotate(paths, labels_key="label", output=tmp_path / "out")
    found = [read(tmp_path / "out" / one.name) for one in paths]
    together = annotate(cells, labels_key="label")
    assert fitted.about["n_labeled"] == together.about["n_labeled"]
    for rows, one in zip((slice(0, 40), slice(40, None)), found, strict=True):
        whole = cells[rows]
        for name in COLUMNS[:2]:
            assert one.obs[name].tolist() == whole.obs[name].tolist()
        for name in COLUMNS[2:]:
            np.testing.assert_allclose(one.obs[name], whole.obs[name], atol=1e-5)
        own = one.obs[one.obs["label"].notna()].astype(str)
        assert own["scmamba_cell_type"].tolist() == own["label"].tolist()
    again = annotate(paths, labels_key="label", output=tmp_path / "out")
    np.testing.assert_array_equal(again.thresholds, fitted.thresholds)


def test_a_reference_in_many_files(cells, tmp_path, quick) -> None:
    paths = in_two_files(cells[:80], tmp_path)
    query, other = cells[80:].copy(), cells[80:].copy()
    annotator = annotate(query, reference=paths, labels_key="cell_type")
    annotate(other, reference=cells[:80].copy(), labels_key="cell_type")
    assert annotator.about["n_labeled"] == 80
    assert query.obs["scmamba_best_guess"].tolist() == other.obs["scmamba_best_guess"].tolist()
    np.testing.assert_allclose(
        query.obs["scmamba_confidence"], other.obs["scmamba_confidence"], atol=1e-5
    )


def test_files_with_labels_that_do_not_go_together(cells, tmp_path, quick) -> None:
    paths = in_two_files(cells, tmp_path)
    lacking = cells[40:].copy()
    del lacking.obs["label"]
    paths.append(write(lacking, tmp_path / "c.h5ad"))
    with pytest.raises(ScmambaError, match=r"in 1 of 3 files: .*c\.h5ad; write it to each"):
        annotate(paths, labels_key="label", output=tmp_path / "out")
    foreign = cells[40:].copy()
    foreign.var = pd.DataFrame(index=[f"other{i}" for i in range(foreign.n_vars)])
    paths[2] = write(foreign, tmp_path / "c.h5ad")
    with pytest.raises(ScmambaError, match="0 gene names in common"):
        annotate(paths, labels_key="label", output=tmp_path / "out")
    with pytest.raises(ScmambaError, match="empty list"):
        annotate(cells, reference=[], labels_key="label")
    assert there(tmp_path / "out") == []


def test_a_stopped_annotation_is_not_fitted_again(cells, tmp_path, quick, monkeypatch) -> None:
    path, output = write(cells, tmp_path / "cells.h5ad"), tmp_path / "out.h5ad"
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        with pytest.raises(Stop):
            annotate(path, labels_key="label", output=output)
    rows = counted(monkeypatch)
    monkeypatch.setattr(task.FitTask, "fit", None)
    annotate(path, labels_key="label", output=output)
    assert rows[0].start > 0
    assert there(tmp_path) == ["cells.h5ad", "out.h5ad"]


def test_of_a_file_some_unlabeled_cells_are_learned_from(cells, tmp_path, quick, monkeypatch):
    seen = []
    monkeypatch.setattr(examples, "UNLABELED_CELLS", 7)
    monkeypatch.setattr(
        task.FitTask,
        "fit",
        lambda self, *_, **__: seen.append(self.given) or exec("raise Stop", globals()),
    )
    with pytest.raises(Stop):
        annotate(write(cells, tmp_path / "c.h5ad"), labels_key="label", output=tmp_path / "o.h5ad")
    (given,) = seen
    assert given.learn_from.X.shape[0] == cells.obs["label"].notna().sum() + 7
    assert (given.labels.codes < 0).sum() == 7
    labeled = cells[cells.obs["label"].notna()]
    np.testing.assert_array_equal(
        given.learn_from.X[given.labels.rows].toarray(), labeled.X.toarray()
    )


def test_what_was_fitted_for_other_cells_is_fitted_again(cells, tmp_path, quick, monkeypatch):
    """The same reference and output, another query with fewer genes."""
    reference = write(cells[:40], tmp_path / "reference.h5ad")
    how = {"reference": reference, "labels_key": "cell_type", "output": tmp_path / "out.h5ad"}
    with monkeypatch.context() as patch:
        stop_after(patch, 0)
        with pytest.raises(Stop):
            annotate(write(cells[40:], tmp_path / "a.h5ad"), **how)
    found = annotate(write(cells[40:, :40], tmp_path / "b.h5ad"), **how)
    assert set(found.panel.genes) == set(cells.var_names[:40])


def test_a_backed_anndata_is_annotated_in_blocks(cells, tmp_path, quick, monkeypatch) -> None:
    backed = ad.read_h5ad(write(cells, tmp_path / "cells.h5ad"), backed="r")
    backed.obs["label"] = backed.obs["label"].astype("category")
    rows = counted(monkeypatch)
    annotate(backed, labels_key="label")
    assert len(rows) > 3
    annotate(cells, labels_key="label")
    np.testing.assert_allclose(backed.obsm["X_scmamba"], cells.obsm["X_scmamba"], atol=1e-5)
    assert list(backed.obs["scmamba_cell_type"]) == list(cells.obs["scmamba_cell_type"])


def test_from_a_pretrained_model(cells, tmp_path, model) -> None:
    path = write(cells, tmp_path / "cells.h5ad")
    annotate(path, labels_key="label", model=model, mode="probe", output=tmp_path / "out.h5ad")
    annotate(cells, labels_key="label", model=model, mode="probe")
    found = read(tmp_path / "out.h5ad")
    assert list(found.obs["scmamba_best_guess"]) == list(cells.obs["scmamba_best_guess"])
    np.testing.assert_allclose(found.obsm["X_scmamba"], cells.obsm["X_scmamba"], atol=1e-4)
    back = found.uns["scmamba"]
    assert back["n_labeled"] == 60 and back["scores"]["n_cells"] == 60


@pytest.mark.parametrize("form", ["csc", "dense", "int", "raw"])
def test_forms_on_disk(cells, tmp_path, model, form) -> None:
    expected = embed(cells, model, copy=True)[0].obsm["X_scmamba"]
    change = {
        "csc": lambda X: X.tocsc(),
        "dense": lambda X: X.toarray(),
        "int": lambda X: X.astype(np.int64),
        "raw": lambda X: X.toarray() - 1,
    }
    cells.raw = cells
    cells.X = change[form](cells.X)
    path = tmp_path / "cells.h5ad"
    cells.write_h5ad(path, compression="lzf")
    embed(path, model, output=path)
    np.testing.assert_allclose(read(path).obsm["X_scmamba"], expected, atol=1e-5)
    assert read(path).uns["scmamba"]["source"] == ("raw.X" if form == "raw" else "X")


def test_a_link_is_written_through(cells, tmp_path, model) -> None:
    path = write(cells, tmp_path / "cells.h5ad")
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "link.h5ad"
    link.symlink_to(path)
    embed(link, model, output=link)
    assert link.is_symlink() and "X_scmamba" in read(path).obsm
    assert there(tmp_path) == ["cells.h5ad", "links"] and there(link.parent) == ["link.h5ad"]


def test_paths_may_come_one_by_one(cells, tmp_path, model) -> None:
    write(cells, tmp_path / "cells.h5ad")
    embed(tmp_path.glob("*.h5ad"), model, output=tmp_path / "out")
    assert "X_scmamba" in read(tmp_path / "out" / "cells.h5ad").obsm


def test_what_a_backed_anndata_has_in_memory_alone_is_told(cells, tmp_path, model) -> None:
    backed = ad.read_h5ad(write(cells, tmp_path / "cells.h5ad"), backed="r")
    backed.obs["new"] = 1
    with pytest.raises(ScmambaError, match="obs of the backed AnnData is not what .*cells.h5ad"):
        embed(backed, model, output=tmp_path / "out.h5ad")
    assert there(tmp_path) == ["cells.h5ad"]


def test_a_zarr_matrix_on_disk_is_read_in_blocks(cells, tmp_path, model, monkeypatch) -> None:
    """What AnnData offers in place of backed mode for zarr."""
    group = zarr.open_group(write(cells, tmp_path / "cells.zarr"), mode="r")
    parts = {name: read_elem(group[name]) for name in ("obs", "var")}
    on_disk = ad.AnnData(X=sparse_dataset(group["X"]), **parts)
    rows = counted(monkeypatch)
    embed(on_disk, model)
    assert len(rows) > 3
    embed(cells, model)
    np.testing.assert_allclose(on_disk.obsm["X_scmamba"], cells.obsm["X_scmamba"], atol=1e-5)


def test_an_error_names_the_file_once(cells, tmp_path, model) -> None:
    path = write(cells, tmp_path / "cells.h5ad")
    (tmp_path / "text.h5ad").write_text("cells")
    with pytest.raises(ScmambaError) as told:
        embed([path, tmp_path / "text.h5ad"], model, output=tmp_path / "out")
    assert str(told.value).count("text.h5ad") == 1


def test_an_old_flag_of_empty_cells_does_not_stay(cells, path, model) -> None:
    cells.obs["scmamba_empty"] = True
    write(cells, path := path.with_name("flagged" + path.suffix))
    embed(path, model, output=path)
    embed(cells, model)
    assert not read(path).obs["scmamba_empty"].any() and not cells.obs["scmamba_empty"].any()


def test_labels_changed_in_a_backed_reference_are_fitted_again(
    cells, tmp_path, quick, monkeypatch
) -> None:
    reference = ad.read_h5ad(write(cells[:60], tmp_path / "reference.h5ad"), backed="r")
    path, output = write(cells[60:], tmp_path / "query.h5ad"), tmp_path / "out.h5ad"
    how = {"reference": reference, "labels_key": "cell_type", "output": output}
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(Stop):
            annotate(path, **how)
    reference.obs["cell_type"] = "new_" + reference.obs["cell_type"].astype(str)
    assert all(name.startswith("new_") for name in annotate(path, **how).classes)


TINY = IntegrationTraining(epochs=2, batch_size=32, width=16, n_latent=4, n_layer=0)


def halves(cells: ad.AnnData, folder: Path) -> list[Path]:
    return [write(cells[:40], folder / "a.h5ad"), write(cells[40:], folder / "b.zarr")]


def test_files_are_integrated_as_their_cells_in_memory(cells, tmp_path) -> None:
    how = {"labels_key": "label", "training": TINY, "correct": True}
    fitted = integrate(halves(cells, tmp_path), "batch", **how, output=tmp_path / "out")
    integrate(cells, "batch", **how)
    found = [read(tmp_path / "out" / name) for name in ("a.h5ad", "b.zarr")]
    for get in (
        lambda a: a.obsm["X_scmamba"],
        lambda a: a.layers["scmamba_corrected"].toarray(),
    ):
        together = np.vstack([get(one) for one in found])
        np.testing.assert_allclose(together, get(cells), atol=1e-4)
    assert found[0].var["scmamba_decoded"].tolist() == cells.var["scmamba_decoded"].tolist()
    assert fitted.batches == ("batch_0", "batch_1", "batch_2")
    assert there(tmp_path / "out") == ["a.h5ad", "b.zarr"]


def test_cells_that_were_not_drawn_for_training_are_mapped(cells, tmp_path) -> None:
    paths = halves(cells, tmp_path)
    how = {"training": replace(TINY, max_cells=39), "output": tmp_path / "out"}
    fitted = integrate(paths, "batch", correct=True, **how)
    assert len(fitted.reference.embedding) == 39
    found = [read(tmp_path / "out" / name) for name in ("a.h5ad", "b.zarr")]
    together = np.vstack([one.obsm["X_scmamba"] for one in found])
    np.testing.assert_allclose(together, fitted.map(cells, "batch").embedding, atol=1e-4)
    chosen = sample_batches(cells.obs["batch"].to_numpy(object), 39, settings.seed)
    np.testing.assert_allclose(together[chosen], fitted.reference.embedding, atol=1e-4)
    assert "scmamba_distance" not in found[0].obs
    assert found[0].layers["scmamba_corrected"].shape == (40, 60)


def test_more_cells_than_are_decoded_at_once(cells, tmp_path) -> None:
    """Expression without batch effects goes into a file as it does into memory."""
    fitted = integrate(cells, "batch", training=TINY)
    many = ad.concat([cells] * 20)  # 1,600 cells, 1,024 of which are decoded at once
    many.obs_names_make_unique()
    path = write(many, tmp_path / "a.h5ad")
    integrate(path, "batch", model=fitted, correct="batch_1", output=tmp_path / "b.h5ad")
    integrate(many, "batch", model=fitted, correct="batch_1")
    found, wanted = (one.layers["scmamba_corrected"] for one in (read(tmp_path / "b.h5ad"), many))
    np.testing.assert_allclose(found.toarray(), wanted.toarray(), rtol=1e-5)
    assert found.nnz == wanted.nnz


def test_a_new_batch_is_mapped_block_by_block(cells, tmp_path, monkeypatch) -> None:
    fitted = integrate(cells[cells.obs["batch"] != "batch_2"].copy(), "batch", training=TINY)
    path = write(cells, tmp_path / "a.h5ad")
    monkeypatch.setattr("scmamba.stream.expressions.BLOCK_VALUES", 300)
    monkeypatch.setattr(_integration_results, "block_values", lambda model: 300)
    integrate(path, "batch", model=fitted, output=tmp_path / "b.h5ad")
    found, whole = read(tmp_path / "b.h5ad"), fitted.map(cells, "batch")
    np.testing.assert_allclose(found.obsm["X_scmamba"], whole.embedding, atol=1e-4)
    np.testing.assert_allclose(found.obs["scmamba_distance"], whole.near.distance, rtol=1e-3)


def test_files_are_mapped(cells, tmp_path) -> None:
    fitted = integrate(cells, "batch", labels_key="cell_type", training=TINY)
    path = write(cells[:40], tmp_path / "a.h5ad")
    integrate(path, "batch", model=fitted.save(tmp_path / "saved"), output=path)
    found = read(path)
    np.testing.assert_allclose(found.obsm["X_scmamba"], cells.obsm["X_scmamba"][:40], atol=1e-4)
    assert {"scmamba_distance", "scmamba_cell_type"} <= set(found.obs)


def test_genes_in_common_are_integrated(cells, tmp_path) -> None:
    paths = [write(cells[:40], tmp_path / "a.h5ad"), write(cells[40:, 10:], tmp_path / "b.h5ad")]
    fitted = integrate(paths, "batch", training=TINY, output=tmp_path / "out")
    assert set(fitted.panel.genes) == set(cells.var_names[10:])
    other = cells[40:].copy()
    other.var_names = [f"other_{i}" for i in range(60)]
    with pytest.raises(ScmambaError, match="0 gene names in common"):
        integrate(
            [paths[0], write(other, tmp_path / "c.h5ad")],
            "batch",
            training=TINY,
            output=tmp_path / "out",
        )


def test_a_stopped_integration_is_not_fitted_again(cells, tmp_path, monkeypatch) -> None:
    paths = halves(cells, tmp_path)
    with monkeypatch.context() as patch:
        write_one = file_job.FileJob.write
        patch.setattr(
            file_job.FileJob, "write", lambda *a: write_one(*a) or exec("raise Stop", globals())
        )
        with pytest.raises(Stop):
            integrate(paths, "batch", training=TINY, output=tmp_path)
    monkeypatch.setattr(_integrating.FitTask, "fit", None)
    fitted = integrate(paths, "batch", training=TINY, output=tmp_path)
    together = np.vstack([read(one).obsm["X_scmamba"] for one in paths])
    np.testing.assert_array_equal(together, fitted.reference.embedding)
    assert there(tmp_path) == ["a.h5ad", "b.zarr"]


@pytest.mark.parametrize("task", ["embed", "annotate", "integrate"])
def test_each_file_is_opened_once_by_every_task(cells, tmp_path, model, quick, monkeypatch, task):
    opened, open_cells = [], job.open_cells

    def counting(one):
        opened.append(one)
        return open_cells(one)

    for module in (job, _annotation_labels):
        monkeypatch.setattr(module, "open_cells", counting)
    paths, out = halves(cells, tmp_path), {"output": tmp_path / "out"}
    if task == "embed":
        embed(paths, model, **out)
    elif task == "integrate":
        integrate(paths, "batch", training=TINY, **out)
    else:
        reference = write(cells, tmp_path / "reference.h5ad")
        annotate(paths, reference, labels_key="cell_type", **out)
        paths.append(reference)
    assert opened == paths


def test_a_model_of_another_task_is_named(cells, tmp_path, model) -> None:
    integrator = integrate(cells, "batch", training=TINY)
    folder = integrator.save(tmp_path / "saved")
    with pytest.raises(
        ScmambaError, match="holds an integrator; load it by scmamba.tasks.Integrator"
    ):
        embed(cells, folder)
    with pytest.raises(ScmambaError, match="holds an integrator"):
        annotate(cells, labels_key="label", model=folder)
    with pytest.raises(ScmambaError, match="is a Integrator; allowed: a CellModel"):
        embed(cells, integrator)
    with pytest.raises(ScmambaError, match="model='typo': there is no such folder"):
        annotate(cells, model="typo")
