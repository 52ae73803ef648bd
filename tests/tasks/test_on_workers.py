"""Calls whose blocks are computed by a cluster of two processes: the results are those of one."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError, settings
from scmamba.cli.main import main
from scmamba.datasets import synthetic
from scmamba.jobs import cluster as cluster_module
from scmamba.jobs.checkpoint import Checkpoint
from scmamba.jobs.cluster import Cluster
from scmamba.jobs.executor import ClusterError
from scmamba.models import save
from scmamba.stream import expressions
from scmamba.tasks import IntegrationTraining, _forward, embed, integrate, knockout
from tests.tasks.tiny import annotate

distributed = pytest.importorskip("distributed")
METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
can_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two worker processes of one thread; a worker that dies is started again."""
    import dask

    with dask.config.set({"distributed.worker.multiprocessing-method": METHOD}):
        if METHOD == "forkserver":  # what it imports, workers need not
            preload = ["distributed", "scmamba.tasks", "scmamba.jobs.cluster"]
            distributed.utils.get_mp_context().set_forkserver_preload(preload)
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield client


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (_forward, expressions):
        monkeypatch.setattr(module, "BLOCK_VALUES", 300)


@pytest.fixture
def path(cells: ad.AnnData, tmp_path: Path) -> Path:
    cells.write_h5ad(tmp_path / "cells.h5ad")
    return tmp_path / "cells.h5ad"


def assert_same(adata: ad.AnnData, other: ad.AnnData) -> None:
    """Hold everything that was written against each other, bit for bit."""
    pd.testing.assert_frame_equal(adata.obs, other.obs, check_exact=True)
    assert list(adata.obsm) == list(other.obsm) != []
    for key in adata.obsm:
        np.testing.assert_array_equal(adata.obsm[key], other.obsm[key])


def process(client: Any) -> int:
    return next(iter(client.run(os.getpid).values()))


def test_embed_memory_and_file(cells, path, tiny_model, client) -> None:
    model = tiny_model(cells.var_names.tolist())
    here, there = cells.copy(), cells.copy()
    embed(here, model)
    embed(there, model, client=client)
    assert_same(here, there)
    embed(path, model, output=path.with_name("out.h5ad"), client=client)
    assert_same(here, ad.read_h5ad(path.with_name("out.h5ad")))
    assert sorted(one.name for one in path.parent.iterdir()) == ["cells.h5ad", "out.h5ad"]


def test_annotate_with_a_saved_annotator(fitted, path, client) -> None:
    adata, annotator = fitted
    here, there = adata.copy(), adata.copy()
    annotate(here, model=annotator)
    annotate(there, model=annotator, client=client)
    assert_same(here, there)


def test_integrator_maps(client, tmp_path) -> None:
    adata = synthetic(90, 40, 2, n_batches=3, human=True)
    known = adata.obs["batch"] != "batch_2"
    quick = IntegrationTraining(epochs=1, n_layer=0, width=16, n_latent=5)
    integrator = integrate(adata[known].copy(), "batch", training=quick)
    adata.write_h5ad(path := tmp_path / "cells.h5ad")
    here = integrator.map(path, "batch")
    for there in (integrator.map(one, "batch", client=client) for one in (adata, str(path))):
        np.testing.assert_array_equal(here.embedding, there.embedding)
        np.testing.assert_array_equal(here.near.distance, there.near.distance)
        assert here.normed_as == there.normed_as


def test_knockout(cells, tiny_model, client) -> None:
    model, genes = tiny_model(cells.var_names.tolist()), cells.var_names[:3].tolist()
    here, there = cells.copy(), cells.copy()
    one = knockout(here, genes, model=model, n_null=3)
    other = knockout(there, genes, model=model, n_null=3, client=client)
    pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
    pd.testing.assert_frame_equal(one.shift, other.shift, check_exact=True)
    assert_same(here, there)


def test_the_command_takes_an_address(path, cells, tiny_model, client, capsys) -> None:
    model = tiny_model(cells.var_names.tolist())
    save(model, path.parent / "model")
    output = path.with_name("out.h5ad")
    asked = ["embed", str(path), "--output", str(output), "--model", str(path.parent / "model")]
    assert main([*asked, "--dask-scheduler", client.scheduler.address]) == 0, capsys.readouterr()
    assert_same(embed(cells, model, copy=True)[0], ad.read_h5ad(output))


def test_a_worker_tells_what_is_wrong_with_a_block(path, cells, tiny_model, client) -> None:
    model = tiny_model(cells.var_names.tolist())
    cells.X[80] = -1
    cells.write_h5ad(path)
    with pytest.raises(ScmambaError, match="negative"):
        embed(path, model, output=path.with_name("out.h5ad"), client=client)
    assert not path.with_name("out.h5ad").exists()


def test_settings_of_the_caller_hold_on_a_worker(client, monkeypatch) -> None:
    monkeypatch.setattr(settings, "seed", 7)

    def seed() -> int:
        from scmamba import settings

        return settings.seed

    assert list(Cluster(client).map(seed, [()])) == [7]


def test_what_is_no_client(cells, tiny_model) -> None:
    model = tiny_model(cells.var_names.tolist())
    with pytest.raises(ScmambaError, match="client is int .8786.; allowed: a distributed.Client"):
        embed(cells, model, client=8786)
    with pytest.raises(ScmambaError, match="no dask scheduler answers at 'nowhere'"):
        embed(cells, model, client="nowhere")
    assert not cells.obsm


def test_another_version_on_a_worker(cells, tiny_model, client, monkeypatch) -> None:
    monkeypatch.setattr(cluster_module, "__version__", "9.9")
    with pytest.raises(ScmambaError, match="has scmamba .*, this process 9.9; install the same"):
        embed(cells, tiny_model(cells.var_names.tolist()), client=client)


def test_a_file_that_workers_do_not_see(path, cells, tiny_model, client, monkeypatch) -> None:
    monkeypatch.setattr("scmamba.jobs.blocks.file_stamp", lambda path: "of another machine")
    with pytest.raises(ClusterError, match="give a path on a disk that all machines share"):
        embed(
            path,
            tiny_model(cells.var_names.tolist()),
            output=path.with_name("out.h5ad"),
            client=client,
        )


@can_kill
def test_embed_loses_nothing_with_a_worker(path, cells, tiny_model, client, monkeypatch) -> None:
    model, puts = tiny_model(cells.var_names.tolist()), []
    here = embed(cells, model, copy=True)[0]
    put = Checkpoint.put

    def kills(self: Checkpoint, rows: slice, columns: Any) -> None:
        put(self, rows, columns)
        puts.append(rows)
        if len(puts) == 2:
            os.kill(process(client), signal.SIGKILL)

    monkeypatch.setattr(Checkpoint, "put", kills)
    embed(path, model, output=path.with_name("out.h5ad"), client=client)
    assert len(puts) > 5
    assert_same(here, ad.read_h5ad(path.with_name("out.h5ad")))


@can_kill
def test_a_call_whose_worker_dies_is_made_again(client, tmp_path) -> None:
    mark = tmp_path / "died"

    def dies_once(number: int) -> int:
        if number == 3 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2

    found = list(Cluster(client).map(dies_once, ((i,) for i in range(8))))
    assert mark.exists()
    assert found == [i**2 for i in range(8)]


def test_a_call_that_no_worker_computes_is_sent_again(client, monkeypatch) -> None:
    submit, given = client.submit, []

    def forgets_the_first(*arguments: Any, **options: Any) -> Any:
        given.append(arguments)
        if len(given) == 1:  # no worker has it, so that the task waits for ever
            options["resources"] = {"nowhere": 1}
        return submit(*arguments, **options)

    monkeypatch.setattr(cluster_module, "_PATIENCE", 0.2)
    monkeypatch.setattr(client, "submit", forgets_the_first)
    assert list(Cluster(client).map(pow, [(2, 3), (3, 2)])) == [8, 9]
    assert len(given) >= 3
