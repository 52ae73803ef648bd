"""The benchmark: splits without copies, both ways of choosing, runs that go on, intervals."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from scmamba import ScmambaError, settings
from scmamba.benchmark import SEQUENCE_METHODS, SequenceMethod, SequenceTask, make_task, read_tasks
from scmamba.benchmark import sequence as benchmark
from scmamba.benchmark._sequence import summary
from scmamba.benchmark._sequence.methods import base, kmer, networks, scmamba
from scmamba.benchmark._sequence.records import Record, records_of
from scmamba.models.sequence.baselines import CNNClassifier, TransformerClassifier
from scmamba.tasks import SequenceTraining

module = importlib.import_module("scmamba.benchmark._sequence.benchmark")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of a few parameters, one after the other in this process."""

    def transformer(n: int) -> TransformerClassifier:
        return TransformerClassifier(n, d_model=8, n_layer=1, n_heads=2, d_ff=8, max_length=40)

    monkeypatch.setitem(networks.BASELINES, "cnn", lambda n: CNNClassifier(n, d_model=8))
    monkeypatch.setitem(networks.BASELINES, "transformer", transformer)

    def run(function: Callable[..., Any], jobs: list[Any], **_: Any) -> list[Any]:
        return [function(*job) for job in jobs]

    monkeypatch.setattr(module, "run", run)


def rows(n: int, seed: int, classes: str = "ab") -> pd.DataFrame:
    """Sequences of which each class is rich in a letter of its own."""
    rng = np.random.default_rng(seed)
    labels = [classes[i % len(classes)] for i in range(n)]
    share = {c: np.where(np.arange(4) == i, 0.7, 0.1) for i, c in enumerate(classes)}
    texts = ["".join(rng.choice(list("ACGT"), 30, p=share[c])) for c in labels]
    return pd.DataFrame({"sequence": texts, "label": labels})


@pytest.fixture
def tasks() -> list[SequenceTask]:
    return [
        make_task("two", rows(60, 0), rows(20, 1), rows(20, 2), category="x"),
        make_task("three", rows(60, 3, "abc"), rows(24, 4, "abc"), category="y"),
    ]


def test_no_sequence_is_in_two_splits() -> None:
    test, validation = rows(20, 1), rows(20, 2)
    train = pd.concat([rows(60, 0), test.head(5), validation.head(3)])
    mixed = pd.concat([validation, test.head(2)])
    task = make_task("it", train, test, mixed)
    splits = [set(part.texts) for part in (task.train, task.validation, task.test)]
    assert not (splits[0] & splits[1] or splits[0] & splits[2] or splits[1] & splits[2])
    assert [len(s) for s in (task.train, task.validation, task.test)] == [60, 20, 20]
    assert task.left_out == 10
    assert task.test.texts == tuple(test["sequence"])


def test_a_tenth_is_held_out_where_there_is_no_validation_split() -> None:
    table = pd.concat([rows(60, 0), rows(60, 0)])
    task = make_task("it", table, rows(20, 1))
    assert len(task.validation) == 12 and len(task.train) == 108
    assert not set(task.validation.texts) & set(task.train.texts)
    assert sorted(task.validation.labels.tolist()) == ["a"] * 6 + ["b"] * 6
    assert make_task("it", table, rows(20, 1)).validation.texts == task.validation.texts


def test_tasks_of_a_folder(tmp_path: Path) -> None:
    for name in ("H3", "mine"):
        (tmp_path / name).mkdir()
        rows(40, 0).to_csv(tmp_path / name / "train.csv", index=False)
        rows(10, 1).to_csv(tmp_path / name / "test.csv", index=False)
    rows(10, 2).to_csv(tmp_path / "mine" / "dev.csv", index=False)
    first, second = read_tasks(tmp_path)
    assert (first.name, first.category, len(first.validation)) == ("H3", "histone", 4)
    assert (second.name, second.category, len(second.validation)) == ("mine", "other", 10)
    assert [task.name for task in read_tasks(tmp_path, ["mine"])] == ["mine"]
    assert [task.name for task in read_tasks(tmp_path / "mine")] == ["mine"]
    with pytest.raises(ScmambaError, match="has no task 'H4'; there are H3, mine"):
        read_tasks(tmp_path, ["H4"])
    (tmp_path / "H3" / "test.csv").unlink()
    with pytest.raises(ScmambaError, match=r"has no test.csv beside"):
        read_tasks(tmp_path)
    with pytest.raises(ScmambaError, match="is no folder"):
        read_tasks(tmp_path / "no")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScmambaError, match="holds no folder with a train.csv"):
        read_tasks(tmp_path / "empty")


def test_every_method_learns_and_is_scored(tasks: list[SequenceTask], tmp_path: Path) -> None:
    result = benchmark(
        tasks,
        ["cnn", "transformer", "kmer"],
        seeds=[0, 1],
        output=tmp_path,
        epochs=6,
        batch_size=10,
        reference="kmer",
    )
    names = ["cnn", "cnn, test-selected", "transformer", "transformer, test-selected", "kmer"]
    assert result.summary.index.tolist() == names
    assert len(result.runs) == 2 * 2 * len(names)
    assert (result.summary["n_tasks"] == 2).all() and (result.summary["n_seeds"] == 2).all()
    whole = result.runs.groupby("method")["mcc"].mean()
    np.testing.assert_allclose(result.summary["mcc"], whole[names])
    assert (result.summary["mcc_low"] <= result.summary["mcc"]).all()
    assert result.summary.loc["cnn", "mcc"] > 0.5 and result.summary.loc["kmer", "mcc"] > 0.8
    both = result.runs.pivot_table("accuracy", ["task", "seed"], "method")
    looked = both["cnn, test-selected"] - both["cnn"]
    assert (looked >= -0.1).all()
    minus = result.summary["mcc"] - result.summary.loc["kmer", "mcc"]
    np.testing.assert_allclose(result.summary["mcc_minus"].drop("kmer"), minus.drop("kmer"))
    assert np.isnan(result.summary.loc["kmer", "mcc_minus"])
    assert result.by_task["category"].tolist()[0] == "x"


def test_dear_methods_may_have_fewer_seeds(tasks: list[SequenceTask], tmp_path: Path) -> None:
    """Their difference is that of the means over seeds, as long as the tasks are the same."""
    seeds = {"kmer": [0, 1], "cnn": [1]}
    options: dict[str, Any] = {"output": tmp_path, "epochs": 2, "batch_size": 10}
    result = benchmark(tasks, ["kmer", "cnn"], seeds=seeds, **options)
    assert result.summary["n_seeds"].to_dict() == {"kmer": 2, "cnn": 1, "cnn, test-selected": 1}
    minus = result.summary["mcc"] - result.summary.loc["kmer", "mcc"]
    assert result.summary.loc["cnn", "mcc_minus"] == pytest.approx(minus["cnn"])
    with pytest.raises(ScmambaError, match="seeds has none for 'transformer'"):
        benchmark(tasks, ["kmer", "transformer"], seeds=seeds, **options)


def test_only_methods_of_one_core_go_to_other_processes(
    tasks: list[SequenceTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method that was added here is not known there, and spreads over the cores by itself."""
    sent: list[str] = []
    usual = module.run

    def run(function: Callable[..., Any], jobs: list[Any], **options: Any) -> list[Any]:
        sent.extend(job.name for (job,) in jobs)
        return usual(function, jobs, **options)

    monkeypatch.setattr(module, "run", run)
    mine = replace(SEQUENCE_METHODS["kmer"], one_core=False)
    given = {"mine": mine, "kmer": SEQUENCE_METHODS["kmer"]}
    result = benchmark(tasks[:1], given, seeds=[0], output=tmp_path)
    assert sent == ["kmer"] and result.summary.index.tolist() == ["mine", "kmer"]


def test_networks_learn_in_bfloat16_where_the_processor_has_it(
    tasks: list[SequenceTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(base.PUBLISHED, epochs=1, batch_size=10)
    monkeypatch.setattr(settings, "device", "cpu")
    used = {}
    for here in (True, False):
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda here=here: here, raising=False)
        used[here] = SEQUENCE_METHODS["cnn"].run(tasks[0], 0, config).about["precision"]
    assert used == {True: "bfloat16", False: "float32"}
    monkeypatch.setattr(settings, "precision", "bfloat16")
    assert SEQUENCE_METHODS["cnn"].run(tasks[0], 0, config).about["precision"] == "bfloat16"
    assert settings.precision == "bfloat16"


def test_published_training() -> None:
    config = base.PUBLISHED
    assert (config.epochs, config.batch_size, config.lr) == (10, 256, 1e-3)
    assert (config.weight_decay, config.warmup, config.warmup_from) == (0.01, 0.05, 0.1)
    assert (config.clip, config.ema, config.patience) == (1.0, 0.0, None)


def test_test_split_is_looked_at_every_other_epoch(
    tasks: list[SequenceTask], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    usual = networks.outputs

    def watch(networks: Any, data: Any, **options: Any) -> Any:
        seen.append(len(data))
        return usual(networks, data, **options)

    monkeypatch.setattr(networks, "outputs", watch)
    config = replace(base.PUBLISHED, epochs=5, batch_size=10)
    run = SEQUENCE_METHODS["cnn"].run(tasks[0], 0, config)
    assert seen == [20] * 4  # after epochs 2, 4 and 5, and of the validated weights
    assert run.about["epoch_test_selected"] in (2, 4, 5)
    truth = base.codes_of(tasks[0])[1]["test"]
    best = (run.guesses["test-selected"] == truth).mean()
    assert best >= (run.guesses[""] == truth).mean() - 0.2


def test_validation_chooses_the_penalty_on_kmers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A penalty that leaves the larger class alone is not taken, wherever it stands."""
    few = rows(90, 0).drop(index=range(1, 60, 2))  # 45 a, 15 b
    task = make_task("it", few, rows(20, 1), rows(20, 2))
    for strengths in ((1e-9, 1.0), (1.0, 1e-9)):
        monkeypatch.setattr(kmer, "_STRENGTHS", strengths)
        run = SEQUENCE_METHODS["kmer"].run(task, 0, base.PUBLISHED)
        assert run.about["C"] == 1.0
        assert (run.guesses[""] == base.codes_of(task)[1]["test"]).mean() > 0.7


def test_runs_are_not_run_again(
    tasks: list[SequenceTask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"seeds": [0], "output": tmp_path, "epochs": 1, "batch_size": 10}
    first = benchmark(tasks[:1], ["cnn", "kmer"], **options)
    calls = []

    def watched(name: str) -> SequenceMethod:
        usual = SEQUENCE_METHODS[name]
        return replace(usual, run=lambda *job: (calls.append(job), usual.run(*job))[1])

    for name in ("cnn", "kmer"):
        monkeypatch.setitem(SEQUENCE_METHODS, name, watched(name))
    again = benchmark(tasks[:1], ["cnn", "kmer"], **options)
    pd.testing.assert_frame_equal(first.runs, again.runs)
    assert not calls
    benchmark(tasks, ["kmer"], **options)
    assert len(calls) == 1  # of the other task
    with pytest.raises(ScmambaError, match="is of another run: settings differ"):
        benchmark(tasks[:1], ["cnn"], **{**options, "epochs": 2})
    file = tmp_path / "runs" / "two__kmer__0.json"
    content = json.loads(file.read_text())
    assert content["left_out"] == 0 and content["n_train"] == 60
    file.write_text("{")
    with pytest.raises(ScmambaError, match="two__kmer__0.json is not JSON"):
        benchmark(tasks[:1], ["kmer"], **options)


TINY = SequenceTraining(epochs=1, n_members=1, n_layer=0)


def test_ours_has_a_row_a_component(tasks: list[SequenceTask]) -> None:
    run = scmamba.scmamba(tasks[0], 0, base.PUBLISHED, TINY)
    assert set(run.guesses) == {"", "neural alone", "linear alone"}
    truth = base.codes_of(tasks[0])[1]["test"]
    assert (run.guesses[""] == truth).mean() > 0.8
    assert run.about["n_train"] == 60 and run.n_parameters > 1000
    assert set(run.calibration) == set(run.guesses)
    assert run.calibration[""]["log_loss"] < np.log(2)


@pytest.mark.parametrize("method", ["kmer", "cnn"])
def test_tables_tell_calibration_and_cpu_seconds(
    method: str, tasks: list[SequenceTask], tmp_path: Path
) -> None:
    options: dict[str, Any] = {"seeds": [0], "output": tmp_path, "epochs": 1, "batch_size": 10}
    result = benchmark(tasks[:1], [method], **options)
    row = result.summary.loc[method]
    assert 0 <= row["ece"] <= 1 and row["log_loss"] > 0 and row["cpu_seconds"] > 0
    content = json.loads(next((tmp_path / "runs").glob("*.json")).read_text())
    for name in ("calibration", "cpu_seconds"):  # of an earlier version
        content.pop(name)
    assert np.isnan(records_of(content)[0].ece)


def test_scores_of_confusions_match_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, guess = rng.integers(0, 3, 50), rng.integers(0, 4, 50)
    record = Record("t", "c", "m", "", 0, truth, guess, 1, 1.0)
    counts = np.vstack([np.ones(50), rng.multinomial(50, np.full(50, 0.02), 3)])
    scored = summary._scores(summary._confusions(counts, record, 4))
    for draw, weights in enumerate(counts.astype(int)):
        t, g = np.repeat(truth, weights), np.repeat(guess, weights)
        assert scored["accuracy"][draw] == pytest.approx(accuracy_score(t, g))
        assert scored["mcc"][draw] == pytest.approx(matthews_corrcoef(t, g))
        f1 = f1_score(t, g, average="macro", labels=np.unique(t), zero_division=0)
        assert scored["macro_f1"][draw] == pytest.approx(f1)


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    noisy = np.where(rng.random(200) < 0.3, 1 - truth, truth)
    better = noisy.copy()
    better[np.flatnonzero(noisy != truth)[:6]] = truth[np.flatnonzero(noisy != truth)[:6]]
    records = [
        Record("t", "c", name, "", 0, truth, guess, 1, 1.0)
        for name, guess in (("plain", noisy), ("ours", better))
    ]
    table, _ = summary.summarize(records, "plain")
    row = table.loc["ours"]
    assert row["accuracy_minus"] == pytest.approx(6 / 200)
    assert row["accuracy_minus_low"] > 0  # though either one's own interval is far wider
    assert row["accuracy_low"] < table.loc["plain", "accuracy"]
    again, _ = summary.summarize(records[::-1], "plain")
    pd.testing.assert_series_equal(again.loc["ours", row.index], row)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["lstm"]}, "method 'lstm'; allowed: mamba, cnn, transformer, scmamba, "),
        ({"reference": "lstm"}, "method 'lstm'"),
        ({"seeds": []}, "at least one task, one method and one seed"),
    ],
)
def test_refusals(tasks: list[SequenceTask], tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        benchmark(tasks, **{"methods": ["kmer"], "output": tmp_path, **options})


def test_wrong_tables() -> None:
    with pytest.raises(ScmambaError, match="has 0, 0 and 20 sequences"):
        make_task("it", rows(20, 1), rows(20, 1), rows(20, 1))
    wrong = rows(20, 0)
    wrong.loc[3, "sequence"] = "ACGX"
    with pytest.raises(ScmambaError, match="task 'it': sequence '3' holds 'X' at position 4"):
        make_task("it", wrong, rows(20, 1))
