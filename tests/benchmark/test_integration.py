"""Methods beside one another: the same cells for all, runs that are kept, clear failures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError, metrics
from scmamba.benchmark import INTEGRATION_METHODS, Comparison, IntegrationMethod, prepare_cells
from scmamba.benchmark._integration.comparison import mean_scores, table
from scmamba.datasets import synthetic
from scmamba.metrics import IntegrationScores

PROGRAM = """
import sys
sys.path[:0] = {path}
import numpy as np
from scmamba.benchmark import IntegrationMethod
from scmamba.benchmark._integration.program import main
def run(cells, seed):
    if seed == 9:
        raise RuntimeError("the method broke")
    return np.full((cells.n_obs, 2), seed)
methods = {{name: IntegrationMethod(run, "json", name) for name in ("one", "two")}}
main(methods, sys.argv[1:])
"""
TITLES = {
    name: IntegrationMethod(lambda cells, seed: np.zeros(0), "json", name)
    for name in ("one", "two")
}


@pytest.fixture
def adata() -> ad.AnnData:
    found = synthetic(60, 40, 3, n_batches=2)
    found.obs["cell_type"] = found.obs["cell_type"].astype(str)
    found.obs.iloc[:6, found.obs.columns.get_loc("cell_type")] = "Unknown"
    return found


@pytest.fixture
def comparison(adata: ad.AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Comparison:
    """Two methods that give their seed, scored by it."""

    def scored(cells: ad.AnnData, batch: str, label: str, keys: Any, **_: Any) -> Any:
        values = {"iLISI": 0.5, "Total": float(cells.obsm[keys[0]].mean())}
        return IntegrationScores(pd.DataFrame([values], keys), {"iLISI": "Batch"}, 60, 54)

    monkeypatch.setattr(metrics, "integration", scored)
    (tmp_path / "program.py").write_text(PROGRAM.format(path=sys.path))
    cells = prepare_cells(adata, "batch", "cell_type", n_top_genes=10)
    program = (str(tmp_path / "program.py"),)
    return Comparison(TITLES, cells, tmp_path / "runs", program=program)


def test_all_get_the_same_labeled_cells_and_variable_genes(adata: ad.AnnData) -> None:
    cells = prepare_cells(adata, "batch", "cell_type", n_top_genes=10)
    assert cells.shape == (54, 10)
    assert list(cells.obs_names) == list(adata.obs_names[6:])
    assert "Unknown" not in set(cells.obs["label"])
    counts = adata[6:, cells.var_names].X.toarray()
    np.testing.assert_array_equal(cells.layers["counts"].toarray(), counts)
    depth = np.asarray(adata[6:].X.sum(1))  # of all genes, not of the chosen
    np.testing.assert_allclose(cells.X.toarray(), np.log1p(counts / depth * 1e4), rtol=1e-5)


def test_what_is_no_count_is_refused(adata: ad.AnnData) -> None:
    adata.X = (adata.X / 2).log1p()
    with pytest.raises(ScmambaError, match="log1p values.*scVI needs counts"):
        prepare_cells(adata, "batch", "cell_type")


def test_runs_are_made_once_and_kept(comparison: Comparison) -> None:
    runs = comparison.run([3], jobs=2)
    assert [(run["method"], run["seed"]) for run in runs] == [("one", 3), ("two", 3)]
    assert [run["scores"]["Total"] for run in runs] == [3, 3]
    assert all(run["seconds"] >= 0 and run["cpu_seconds"] >= 0 for run in runs)
    assert all(run["peak_bytes"] > 1e7 for run in runs)
    np.testing.assert_array_equal(comparison.embedding("two", 3), np.full((54, 2), 3))
    kept = json.loads((comparison.folder / "one__3.json").read_text())
    (comparison.folder / "one__3.json").write_text(json.dumps(kept | {"seconds": -5.0}))
    (comparison.folder / "two__3.json").unlink()
    again = comparison.run([3])
    assert again[0]["seconds"] == -5.0 and again[1]["seconds"] >= 0
    assert {path.suffix for path in comparison.folder.iterdir()} == {".json", ".npy"}


def test_runs_of_other_cells_are_not_taken(comparison: Comparison) -> None:
    comparison.folder.mkdir()
    other = {"identity": {"format_version": 2, "max_cells": 100_000, "cells": "others"}}
    (comparison.folder / "one__0.json").write_text(json.dumps(other))
    with pytest.raises(ScmambaError, match=r"one__0\.json is of another run: cells differ"):
        comparison.run([0])


def test_means_and_a_row_a_run() -> None:
    cost = {"seconds": 2.0, "cpu_seconds": 3.0, "peak_bytes": 4e9}
    runs = [
        {
            "method": name,
            "seed": seed,
            "scores": {"iLISI": 0.5, "Total": seed + 0.1 * (name == "two")},
            "groups": {"iLISI": "Batch correction"},
            "n_scored": 50,
            **cost,
        }
        for seed in (0, 1)
        for name in TITLES
    ]
    means = mean_scores(runs, TITLES, 54)
    assert means.table["Total"].to_dict() == pytest.approx({"one": 0.5, "two": 0.6})
    assert (means.n_cells, means.n_scored) == (54, 50)
    rows = table(runs, TITLES)
    assert list(rows["method"]) == ["one", "two"] * 2
    assert rows["peak GB"].tolist() == [4.0] * 4


def test_a_method_that_fails_is_named(comparison: Comparison) -> None:
    with pytest.raises(ScmambaError, match="(one|two) failed: RuntimeError: the method broke"):
        comparison.run([9])


def test_pca_and_ours_run_on_what_is_prepared(
    adata: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scmamba import tasks

    seen: list[dict[str, Any]] = []

    def integrate(cells: ad.AnnData, batch_key: str, **options: Any) -> None:
        assert set(cells.obs[batch_key]) == {"batch_0", "batch_1"}
        cells.obsm["X_scmamba"] = np.zeros((cells.n_obs, 2))
        seen.append(options)

    monkeypatch.setattr(tasks, "integrate", integrate)
    cells = prepare_cells(adata, "batch", "cell_type", n_top_genes=10)
    assert INTEGRATION_METHODS["pca"].run(cells, 0).shape == (54, 9)
    for name in ("scmamba", "scmamba_labels"):
        assert INTEGRATION_METHODS[name].run(cells, 3).shape == (54, 2)
    assert [options.get("labels_key") for options in seen] == [None, "label"]
    assert {options["layer"] for options in seen} == {"counts"}
    assert {options["seed"] for options in seen} == {3}
