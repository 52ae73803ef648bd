"""The script that makes the backbone that ships, on a small corpus."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from scmamba import models, settings, tasks
from scmamba._files import write_json
from scmamba.stream.corpus_open import open_corpus
from scmamba.tasks import PretrainConfig
from scmamba.tasks._pretraining.start import backbone, new_model
from tests.stream.studies import study, write_studies

SCRIPT = Path(__file__).parents[2] / "data" / "make_mini.py"
CONFIG = {
    "start": "components",
    "data": {"min_cells": 1, "min_genes": 1, "labels_key": "cell_type", "genes": []},
    "model": {"d_model": 16, "n_layer": 0, "cell_norm": "batch"},
    "fit": {"epochs": 2, "batch_size": 10, "lr": 1e-2},
}


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script with a recipe of three small studies in ``tmp_path / "data"``."""
    spec = importlib.util.spec_from_file_location("make_mini", SCRIPT)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    write_studies(tmp_path / "data", (40, 30, 20))
    names = [f"study{i}.h5ad" for i in range(3)]
    monkeypatch.setattr(made, "STUDIES", {Path(n).stem: ("made up", "CC0 1.0") for n in names})
    for constant in ("RECIPE", "MANIFEST"):
        monkeypatch.setattr(made, constant, tmp_path / f"{constant.lower()}.json")
    write_json(made.RECIPE, {"files": names, "config": CONFIG})  # JSON is YAML
    monkeypatch.setattr(settings, "verbosity", "error")
    return made


def test_a_small_corpus_from_recipe_to_card(script: ModuleType, tmp_path: Path, capsys) -> None:
    data, output = tmp_path / "data", tmp_path / "tiny"
    arguments = [str(data), "--output", str(output), "--run", str(tmp_path / "run")]
    script.main([str(data), "--write_manifest"])
    assert json.loads(script.MANIFEST.read_text())["study1.h5ad"]["cells"] == 30
    script.main(arguments)
    assert "will be another" not in capsys.readouterr().out
    card = json.loads(output.with_suffix(".json").read_text())
    assert [one["n_cells"] for one in card["studies"]] == [40, 30, 20]
    cells = study(40, 11)
    tasks.embed(cells, output, normalize=False)
    # The mean of the model that training starts from and of the trained one, in embeddings
    config = PretrainConfig.from_dict(CONFIG)
    files = [str(data / f"study{i}.h5ad") for i in range(3)]
    expected = []
    start = backbone(new_model(open_corpus(files, config.data), config))
    for model in (start, tasks.pretrain(files, config).model):
        tasks.embed(cells, model, key_added="one", normalize=False)
        expected.append(cells.obsm["X_one"])
    mean = np.mean(expected, axis=0)
    np.testing.assert_allclose(cells.obsm["X_scmamba"], mean, rtol=0.02, atol=0.02)
    assert models.load(output).license.startswith("BSD-3-Clause")


def test_files_that_are_not_those_of_the_manifest_are_named(
    script: ModuleType, tmp_path: Path, capsys
) -> None:
    script.main([str(tmp_path / "data"), "--write_manifest"])
    study(20, 9).write_h5ad(tmp_path / "data" / "study2.h5ad")
    assert script.changed(tmp_path / "data", ["study0.h5ad", "study2.h5ad"]) == ["study2.h5ad"]
