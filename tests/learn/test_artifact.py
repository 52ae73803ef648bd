"""Folders that earlier versions saved still load, and history survives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError
from scmamba.datasets import synthetic
from scmamba.learn.artifact import Artifact
from scmamba.tasks import Annotator, Integrator
from scmamba.tasks import sequence as sq

V1 = Path(__file__).parent / "saved" / "v1"
EXPECTED = json.loads((V1 / "expected.json").read_text())


@pytest.fixture
def cells():
    """The cells that the folders of format version 1 were fitted on."""
    return synthetic(60, 40, 3, n_batches=3, human=True)


def test_an_annotator_of_version_1(cells, tmp_path) -> None:
    annotator = Annotator.load(V1 / "annotator")
    proba = annotator.predict_proba(cells)
    np.testing.assert_allclose(proba, EXPECTED["annotator"], atol=2e-5)
    assert annotator.scores["both_accuracy"] == annotator.component_scores.loc["both"].iloc[0]
    assert annotator.about["ood_fpr"] == 0.01
    annotator.save(tmp_path / "new")
    pd.testing.assert_frame_equal(Annotator.load(tmp_path / "new").predict_proba(cells), proba)


def test_an_integrator_of_version_1(cells, tmp_path) -> None:
    integrator = Integrator.load(V1 / "integrator")
    found = integrator.map(cells, "batch").embedding
    np.testing.assert_allclose(found, EXPECTED["integrator"], atol=2e-4)
    integrator.save(tmp_path / "new")
    again = Integrator.load(tmp_path / "new").map(cells, "batch").embedding
    np.testing.assert_array_equal(again, found)


def test_a_predictor_of_version_1(tmp_path) -> None:
    predictor = sq.load(V1 / "predictor")
    proba = predictor.predict_proba(EXPECTED["sequences"])
    np.testing.assert_allclose(proba, EXPECTED["predictor"], atol=2e-5)
    predictor.save(tmp_path / "new")
    again = sq.load(tmp_path / "new").predict_proba(EXPECTED["sequences"])
    pd.testing.assert_frame_equal(again, proba)


def test_history_survives(tmp_path) -> None:
    history = pd.DataFrame(
        {"train_loss": [1.5, 0.25], "val_loss": [np.nan, 1 / 3], "stage": ["bag", "full"]},
        index=pd.Index([1, 2], name="epoch"),
    )
    artifact = Artifact("thing")
    artifact.save(tmp_path / "it", {"a": [1]}, {"x": np.arange(3)}, [], history)
    with artifact.reading(tmp_path / "it") as saved:
        pd.testing.assert_frame_equal(saved.history, history)
        assert saved.content["a"] == [1] and saved.arrays["x"].tolist() == [0, 1, 2]


def test_what_is_not_there_is_named(tmp_path) -> None:
    with (
        pytest.raises(ScmambaError, match="holds no annotator: annotator.json is missing"),
        Artifact("annotator").reading(V1 / "predictor"),
    ):
        pass
