"""The demo's split and peers; the whole demo is run in tests/integration."""

from __future__ import annotations

from pathlib import Path

import pytest

from scmamba.cli.demo import _split, run_peers
from scmamba.cli.main import main


def test_peers_reach_their_known_figures() -> None:
    train, test = _split(0)
    assert (train.n_obs, test.n_obs) == (490, 210)
    assert not set(train.obs_names) & set(test.obs_names)
    peers = run_peers(train, test, seed=0)
    linear, neighbors = peers["logistic regression"][0], peers["15-NN on 30 PCs"][0]
    assert linear.accuracy == pytest.approx(0.857, abs=0.01)
    assert linear.macro_f1 == pytest.approx(0.667, abs=0.015)
    assert neighbors.accuracy == pytest.approx(0.819, abs=0.015)
    assert neighbors.ece is not None


def test_an_output_that_cannot_be_made_is_an_error_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["demo", "--output", str(tmp_path / "file" / "demo")]) == 2
    captured = capsys.readouterr()
    assert "file is a file; give a folder" in captured.err
    assert not captured.out
