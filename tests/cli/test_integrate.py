"""``scmamba integrate`` and ``benchmark integration``, with quick stand-ins for what they call."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba import metrics, tasks
from scmamba.benchmark import Comparison, _installed
from scmamba.cli.main import main
from scmamba.datasets import synthetic
from scmamba.learn.training import IntegrationObjectives
from scmamba.metrics import IntegrationScores

GROUPS = {"cLISI": "Bio conservation", "iLISI": "Batch correction"}
PEERS = {"scib_metrics", "harmonypy", "scvi", "igraph", "leidenalg"}
TOTALS = ["Batch correction", "Bio conservation", "Total"]


class Integrator:
    history = pd.DataFrame({"train_loss": [2.0, 1.0]}, index=[1, 2])

    def save(self, path: Path) -> None:
        Path(path).mkdir()


def integrate(
    adata: Path | list[Path],
    batch_key: str,
    *,
    labels_key: str | None = None,
    model: str | None = None,
    layer: str | None = None,
    correct: bool | str = False,
    objectives: IntegrationObjectives | None = None,
    key_added: str = "scmamba",
    copy: bool = False,
    seed: int | None = None,
    output: Path,
    **others: Any,
) -> Integrator:
    """Embed cells by their number."""
    assert not copy
    if isinstance(adata, list):
        output.mkdir()
        for one in adata:
            options = {"model": model, "key_added": key_added, "output": output / one.name}
            integrate(one, batch_key, **options)
        return Integrator()
    read = ad.read_zarr if adata.suffix == ".zarr" else ad.read_h5ad
    adata, path = read(adata), output
    adata.obsm[f"X_{key_added}"] = np.random.default_rng(0).normal(size=(adata.n_obs, 4))
    if model is not None:
        adata.obs[f"{key_added}_distance"] = 1.5
    adata.uns[key_added] = {
        "task": "integrate",
        "batch_key": batch_key,
        "correct": str(correct),
        "dab": 0.0 if objectives is None else objectives.dab,
        "seed": seed or 0,
    }
    (adata.write_zarr if path.suffix == ".zarr" else adata.write_h5ad)(path)
    return Integrator()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tasks, "integrate", integrate)
    monkeypatch.chdir(tmp_path)
    synthetic(40, 30, 3, n_batches=2).write_h5ad("cells.h5ad")


@pytest.fixture
def scib(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores without scib-metrics."""

    def scored(cells: ad.AnnData, batch: str, label: str, keys: list[str], **_: Any) -> Any:
        values = pd.DataFrame(0.25, keys, [*GROUPS, *TOTALS])
        values.loc[keys[-1]] = 0.75
        return IntegrationScores(values, GROUPS, cells.n_obs, cells.n_obs)

    monkeypatch.setattr(metrics, "integration", scored)
    there = importlib.util.find_spec
    monkeypatch.setattr(
        _installed.importlib.util,
        "find_spec",
        lambda name, *package: name in PEERS or there(name, *package),
    )


LINE = ["integrate", "cells.h5ad", "--batch_key", "batch", "--verbosity", "error"]


def test_cells_model_and_report(scib: None, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--output", "out.h5ad", "--save_model", "kept", "--report", "report.html"]
    options = ["--truth_key", "cell_type", "--correct", "batch_1", "--objectives.dab", "0.5"]
    assert main([*LINE, *more, *options, "--seed", "4"]) == 0
    found = ad.read_h5ad("out.h5ad")
    assert found.obsm["X_scmamba"].shape == (40, 4)
    assert found.uns["scmamba"]["correct"] == "batch_1" and found.uns["scmamba"]["seed"] == 4
    assert Path("kept").is_dir()
    page = Path("report.html").read_text(encoding="utf-8")
    assert page.count("<img") == 4 and "0.750" in page
    printed = capsys.readouterr().out
    assert "40 of 40 cells scored" in printed
    assert "out.h5ad: 40 cells of 2 batches integrated" in printed


def test_several_files_of_any_format(scib: None, capsys: pytest.CaptureFixture[str]) -> None:
    synthetic(30, 30, 3, n_batches=2, seed=1).write_zarr("more.zarr")
    line = ["integrate", "cells.h5ad", "more.zarr", "--batch_key", "batch"]
    more = ["--truth_key", "cell_type", "--report", "report.html", "--output", "out"]
    assert main([*line, *more]) == 0
    assert ad.read_zarr("out/more.zarr").obsm["X_scmamba"].shape == (30, 4)
    assert "out: 70 cells of 2 batches integrated" in capsys.readouterr().out
    assert "Batches of cells.h5ad, more.zarr" in Path("report.html").read_text(encoding="utf-8")


def test_true_is_the_average_over_batches() -> None:
    assert main([*LINE, "--output", "out.h5ad", "--correct", "true"]) == 0
    assert ad.read_h5ad("out.h5ad").uns["scmamba"]["correct"] == "True"


def test_new_cells_into_a_saved_integration() -> None:
    more = ["--model", "kept", "--output", "out.h5ad", "--report", "report.html"]
    assert main([*LINE, *more, "--key_added", "new"]) == 0
    assert "X_new" in ad.read_h5ad("out.h5ad").obsm
    page = Path("report.html").read_text(encoding="utf-8")
    assert "median distance" in page and "1.500" in page


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "out.h5ad", "--report", "no/r.html"], "the folder no does not exist"),
        (["--output", "out.h5ad", "--truth_key", "cell_type"], "--truth_key needs it"),
    ],
)
def test_what_cannot_work_is_told_first(
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(_installed.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(tasks, "integrate", None)
    assert main([*LINE, *options]) == 2
    assert message in capsys.readouterr().err


BENCHMARK = ["benchmark", "integration", "cells.h5ad", "--batch_key", "batch"]
KEYS = ["--labels_key", "cell_type", "--verbosity", "error"]


def test_tables_and_pictures_of_a_benchmark(
    scib: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def embed(self: Comparison, name: str, seed: int, cells: Path) -> dict[str, Any]:
        made = np.random.default_rng(seed).normal(size=(self.cells.n_obs, 3))
        np.save(self.folder / f"{name}__{seed}.npy", made)
        return {"seconds": 2.0, "cpu_seconds": 3.0, "peak_bytes": 5e9, "about": {}}

    def scored(cells: ad.AnnData, batch: str, label: str, keys: list[str], **_: Any) -> Any:
        row = dict.fromkeys([*GROUPS, *TOTALS], 0.5) | {"Isolated labels": 0.25}
        groups = GROUPS | {"Isolated labels": "Bio conservation"}
        return IntegrationScores(pd.DataFrame([row], keys), groups, cells.n_obs, cells.n_obs)

    monkeypatch.setattr(Comparison, "_embed", embed)
    monkeypatch.setattr(metrics, "integration", scored)
    line = [*BENCHMARK, *KEYS, "--peers", "pca, scanvi", "--seeds", "2", "--output", "out"]
    assert main(line) == 0
    pictures = {"scores.png", "runs.png", "umap.png"}
    assert {path.name for path in Path("out").iterdir()} == {
        "runs",
        "runs.csv",
        "summary.csv",
        *pictures,
    }
    runs = pd.read_csv("out/runs.csv")
    assert len(runs) == 8 and set(runs["seed"]) == {0, 1}
    used = runs.groupby("method")["labels used"].first().to_dict()
    assert used == {"PCA": False, "scANVI": True, "scmamba": False, "scmamba with labels": True}
    summary = pd.read_csv("out/summary.csv", index_col="method")
    assert summary.loc["PCA", ["Total", "Total sd", "peak GB"]].tolist() == [0.5, 0.0, 5.0]
    assert summary["labels used"].to_dict() == used
    assert "8 runs on 40 cells" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--peers", "combat"], "'combat'; allowed: pca, harmony, scvi, scanvi"),
        (["--seeds", "0"], "seeds=0"),
        (["--peers", "harmony"], "harmonypy is not installed, and Harmony needs it: pip install"),
    ],
)
def test_a_benchmark_that_cannot_run(
    options: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        _installed.importlib.util,
        "find_spec",
        lambda name: None if name == "harmonypy" else there(name),
    )
    assert main([*BENCHMARK, *KEYS, *options, "--output", "out"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()
