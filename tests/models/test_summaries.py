"""Models say in a few lines what they are."""

from __future__ import annotations

from pathlib import Path

import torch

from scmamba import models
from scmamba.models import CellModel, SequenceModel, preset
from scmamba.tokens.cells.vocab import Vocab


def test_a_cell_model_shows_itself(tmp_path: Path) -> None:
    model = CellModel(preset("mini", n_genes=9, d_model=16, headdim=8, n_classes=3))
    model.vocab = Vocab([f"G{i}" for i in range(6)])
    lines = repr(model).splitlines()
    assert len(lines) == 7
    assert "class (3)" in repr(model) and "such as G0" in repr(model)
    assert "<table>" in model._repr_html_()
    model.license = "CC BY <4.0>"
    again = models.load(models.save(model, tmp_path / "saved"))
    assert again.license == "CC BY <4.0>" and "saved" in repr(again)
    assert "CC BY &lt;4.0&gt;" in again._repr_html_()


def test_a_sequence_model_shows_itself() -> None:
    model = SequenceModel.from_preset("bimamba2", n_layer=1, d_model=32, rc="ps")
    assert len(repr(model).splitlines()) == 7
    assert "reverse complement" in repr(model)


def test_members_of_saved_results_are_loaded_quietly(tmp_path: Path, said: list[str]) -> None:
    model = CellModel(preset("mini", n_genes=9, d_model=16, headdim=8))
    folder = models.save(model, tmp_path / "saved")
    models.load(folder)
    assert said == []
    models.load(folder, n_classes=3)
    assert len(said) == 1 and "started at random" in said[0]
    assert torch.equal(models.load(folder).pool.query, model.pool.query)
