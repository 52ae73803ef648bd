"""Predictors of sequences, fitted and used from the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scmamba.cli.main import main
from scmamba.tasks import sequence
from scmamba.tasks.sequence._supervised import assemble, choice, learners


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usual = assemble.recipe_for

    def recipe_for(*arguments: Any, **options: Any) -> Any:
        recipe = usual(*arguments, **options)
        return replace(recipe, network=recipe.network.replace(d_model=8, n_layer=1, headdim=8))

    monkeypatch.setattr(assemble, "recipe_for", recipe_for)
    for module in (learners, choice):
        monkeypatch.setattr(module, "run", lambda one, jobs, **_: [one(*job) for job in jobs])
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    share = np.array([[0.4, 0.1, 0.1, 0.4], [0.1, 0.4, 0.4, 0.1]])
    texts = ["".join(rng.choice(list("ACGT"), 25, p=share[x])) for x in labels]
    table = pd.DataFrame({"sequence": texts, "kind": np.where(labels, "gc", "at")})
    table.assign(level=labels + rng.normal(size=60)).to_csv(tmp_path / "in.csv", index=False)
    monkeypatch.chdir(tmp_path)


QUIET = ["--device", "cpu", "--verbosity", "error"]
FAST = ["--epochs", "1", "--n_members", "1", "--seed", "0", *QUIET]


def test_fitted_and_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit-sequences", "in.csv", "--labels", "[kind]", "--output", "it", *FAST]) == 0
    assert "mcc" in capsys.readouterr().out
    line = ["predict-sequences", "in.csv", "--output", "o.csv", "--model", "it"]
    assert main([*line, "--proba", "true", *QUIET]) == 0
    found, model = pd.read_csv("o.csv"), sequence.load("it")
    assert found["prediction"].tolist() == model.predict("in.csv").tolist()
    np.testing.assert_allclose(found["p_gc"], model.predict_proba("in.csv")["gc"], rtol=1e-6)


def test_numbers_from_a_yaml_file() -> None:
    Path("f.yaml").write_text("input: in.csv\nlabels: [level]\ntask: regression\noutput: it\n")
    assert main(["fit-sequences", "--config", "f.yaml", *FAST]) == 0
    assert sequence.load("it").targets.task == "regression"


def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit-sequences", "no.csv", "--labels", "[kind]", "--output", "it", *FAST]) == 2
    assert "no.csv does not exist" in capsys.readouterr().err
