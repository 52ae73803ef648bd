"""``scmamba benchmark nt`` on a folder of csv files and on tasks from a server."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scmamba.benchmark._sequence import tasks
from scmamba.benchmark._sequence.methods import networks
from scmamba.cli.main import main
from scmamba.models.sequence.baselines import CNNClassifier


def rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    share = np.array([[0.4, 0.1, 0.1, 0.4], [0.1, 0.4, 0.4, 0.1]])
    texts = ["".join(rng.choice(list("ACGT"), 25, p=share[x])) for x in labels]
    return pd.DataFrame({"sequence": texts, "label": labels})


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(networks.BASELINES, "cnn", lambda n: CNNClassifier(n, d_model=8))
    module = importlib.import_module("scmamba.benchmark._sequence.benchmark")
    monkeypatch.setattr(module, "run", lambda one, jobs, **_: [one(*job) for job in jobs])
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for i, name in enumerate(("H3", "mine", "other")):
        (folder / name).mkdir(parents=True)
        rows(60, 3 * i).to_csv(folder / name / "train.csv", index=False)
        rows(20, 3 * i + 1).to_csv(folder / name / "test.csv", index=False)
    return folder


FAST = ["--seeds", "1", "--epochs", "2", "--batch_size", "10", "--verbosity", "error"]


def test_tables_and_pictures(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["benchmark", "nt", "--data", str(data), "--models", "cnn, kmer", *FAST]
    assert main([*line, "--output", "out"]) == 0
    printed = capsys.readouterr().out
    assert "cnn, test-selected" in printed and "out: 9 rows" in printed
    names = {path.name for path in Path("out").iterdir()}
    pictures = {"by_task.png", "by_category.png", "radar.png", "efficiency.png"}
    assert names == {"runs", "runs.csv", "by_task.csv", "summary.csv", *pictures}
    summary = pd.read_csv("out/summary.csv", index_col="method")
    assert f"{summary.loc['kmer', 'mcc']:.3f}" in printed
    assert len(pd.read_csv("out/runs.csv")) == 9


def test_chosen_tasks_of_the_eighteen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def fetch(name: str) -> dict[str, pd.DataFrame]:
        asked.append(name)
        return {"train": rows(60, 0), "test": rows(20, 1)}

    monkeypatch.setattr(tasks, "nucleotide_transformer", fetch)
    line = ["benchmark", "nt", "--models", "kmer", "--tasks", "H3,enhancers", *FAST]
    assert main([*line, "--output", "out"]) == 0
    assert asked == ["H3", "enhancers"]
    assert pd.read_csv("out/by_task.csv")["category"].tolist() == ["histone", "enhancer"]


def test_config_file(data: Path) -> None:
    Path("it.yaml").write_text(f"data: {data}\nmodels: kmer\ntasks: mine\nseeds: 1\noutput: o\n")
    assert main(["benchmark", "nt", "--config", "it.yaml", "--verbosity", "error"]) == 0
    assert pd.read_csv("o/runs.csv")["task"].tolist() == ["mine"]


def test_the_example_of_a_yaml_file_runs(data: Path) -> None:
    data.rename("tasks")
    example = Path(__file__).parents[2] / "tutorials" / "benchmark.yaml"
    line = ["benchmark", "nt", "--config", str(example), "--tasks", "mine", *FAST]
    assert main([*line, "--models", "kmer,cnn", "--reference", "kmer"]) == 0
    assert pd.read_csv("benchmark/summary.csv")["method"].tolist()[0] == "kmer"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "lstm"], "method 'lstm'; allowed"),
        (["--tasks", "H9"], "has no task 'H9'"),
        (["--seeds", "0"], "seeds=0; give 1 or more"),
    ],
)
def test_refusals(
    data: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["benchmark", "nt", "--data", str(data), *options]) == 2
    assert message in capsys.readouterr().err
