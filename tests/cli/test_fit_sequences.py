"""Predictors of sequences, fitted and used from the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scmamba.cli.main import main
from scmamba.models import SequenceModel, save
from scmamba.tasks import sequence


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    share = np.array([[0.4, 0.1, 0.1, 0.4], [0.1, 0.4, 0.4, 0.1]])
    texts = ["".join(rng.choice(list("ACGT"), 25, p=share[x])) for x in labels]
    table = pd.DataFrame({"sequence": texts, "kind": np.where(labels, "gc", "at")})
    table.assign(level=labels + rng.normal(size=60)).to_csv(tmp_path / "in.csv", index=False)
    monkeypatch.chdir(tmp_path)


QUIET = ["--device", "cpu", "--verbosity", "error"]
FAST = [
    *("--training.epochs", "1", "--training.n_members", "1", "--training.width", "8"),
    *("--seed", "0", *QUIET),
]


def test_fitted_and_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit-sequences", "in.csv", "--labels", "[kind]", "--output", "it", *FAST]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "mcc" in told[0].split()
    assert [line.split()[0] for line in told[1:4]] == ["linear", "neural", "both"]
    line = ["predict-sequences", "in.csv", "--output", "o.csv", "--model", "it"]
    assert main([*line, "--proba", "true", *QUIET]) == 0
    found, model = pd.read_csv("o.csv"), sequence.load("it")
    assert found["prediction"].tolist() == model.predict("in.csv").tolist()
    np.testing.assert_allclose(found["p_gc"], model.predict_proba("in.csv")["gc"], rtol=1e-6)


def test_numbers_from_a_yaml_file() -> None:
    Path("f.yaml").write_text("input: in.csv\nlabels: [level]\ntask: regression\noutput: it\n")
    assert main(["fit-sequences", "--config", "f.yaml", *FAST]) == 0
    assert sequence.load("it").targets.task == "regression"


def test_the_example_of_a_yaml_file_runs() -> None:
    table = pd.read_csv("in.csv").rename(columns={"kind": "label"})
    table.head(40).to_csv("train.csv", index=False)
    table.tail(20).to_csv("dev.csv", index=False)
    example = Path(__file__).parents[2] / "tutorials" / "fit.yaml"
    assert main(["fit-sequences", "--config", str(example), *FAST]) == 0
    about = sequence.load("predictor").about
    assert (about["n_train"], about["n_validation"]) == (40, 20)


def test_several_columns_or_one_by_its_name() -> None:
    table = pd.read_csv("in.csv").assign(gc=lambda t: (t["kind"] == "gc").astype(int))
    table.assign(at=1 - table["gc"]).to_csv("two.csv", index=False)
    line = ["fit-sequences", "two.csv", "--task", "multilabel", "--output", "it"]
    assert main([*line, "--labels", "[gc, at]", *FAST]) == 0
    assert sequence.load("it").targets.names == ("gc", "at")
    assert main(["fit-sequences", "two.csv", "--labels", "kind", "--output", "one", *FAST]) == 0
    assert sequence.load("one").targets.names == ("at", "gc")


def test_a_class_for_each_nucleotide() -> None:
    table = pd.read_csv("in.csv")
    strength = str.maketrans("ACGT", "wssw")
    table.assign(bond=table["sequence"].str.translate(strength)).to_csv("t.csv", index=False)
    line = ["fit-sequences", "t.csv", "--labels", "bond", "--task", "token", "--output", "it"]
    assert main([*line, *FAST]) == 0
    Path("new.fa").write_text(">a\nACG\n>b\nTT\n")
    line = ["predict-sequences", "new.fa", "--model", "it", "--output", "o.csv"]
    assert main([*line, "--proba", "true", *QUIET]) == 0
    found, model = pd.read_csv("o.csv"), sequence.load("it")
    assert found["name"].tolist() == list("aaabb") and found["ref"].tolist() == list("ACGTT")
    assert found["position"].tolist() == [0, 1, 2, 0, 1]
    said = model.predict("new.fa")
    assert found["prediction"].tolist() == [*said[0], *said[1]]
    np.testing.assert_allclose(found["p_s"], pd.concat(model.predict_proba("new.fa"))["s"])


def test_names_may_repeat() -> None:
    assert main(["fit-sequences", "in.csv", "--labels", "kind", "--output", "it", *FAST]) == 0
    Path("new.fa").write_text(">a\nACGT\n>a\nTTTT\n")
    line = ["predict-sequences", "new.fa", "--model", "it", "--output", "o.csv"]
    assert main([*line, "--proba", "true", *QUIET]) == 0
    assert len(pd.read_csv("o.csv")) == 2


def test_a_language_learned_and_used(capsys: pytest.CaptureFixture[str]) -> None:
    save(SequenceModel.from_preset("nt-mamba", d_model=8, n_layer=1, d_state=4), "start")
    line = ["pretrain-sequences", "in.csv", "--model", "start", "--output", "lm"]
    assert main([*line, "--epochs", "2", "--seed", "0", "--history", "h.csv", *QUIET]) == 0
    losses = pd.read_csv("h.csv")["val_loss"]
    assert len(losses) == 2 and f"lm: {losses.min():.3f} nats" in capsys.readouterr().out
    assert main(["score", "in.csv", "--model", "lm", "--output", "s.csv", *QUIET]) == 0


def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit-sequences", "no.csv", "--labels", "[kind]", "--output", "it", *FAST]) == 2
    assert "there is no file no.csv" in capsys.readouterr().err
