"""Models inside the package: cards, hashes, names, the table of all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import scmamba
from scmamba import ScmambaError
from scmamba.cli.main import main
from scmamba.models import CellModel, info, load, preset, save
from scmamba.models.shipped import ShippedModel, Study, registry, shipped, write_card


@pytest.fixture
def boxed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShippedModel:
    """A tiny backbone in a registry of its own."""
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    model = CellModel(preset("mini", n_genes=12, n_layer=1, d_model=8, headdim=8, d_state=4))
    save(model, tmp_path / "tiny")
    study = Study("a study", "CC BY 4.0", 7)
    write_card(
        ShippedModel(
            "tiny",
            "backbone",
            "human",
            ("blood", "gut"),
            (),
            (study,),
            "BSD-3-Clause",
            recipe="scmamba pretrain tiny.yaml",
            figures={"accuracy": 0.5},
            folder=tmp_path / "tiny",
        )  # fmt: skip
    )
    yield shipped("tiny")
    registry.shipped_models.cache_clear()


def test_a_card_comes_back_as_it_was_written(boxed: ShippedModel) -> None:
    assert boxed.studies == (Study("a study", "CC BY 4.0", 7),)
    assert (boxed.n_cells, boxed.n_classes, boxed.figures) == (7, 0, {"accuracy": 0.5})
    assert boxed.sha256 == registry.folder_sha256(boxed.folder)
    assert boxed.check() == boxed.folder


def test_a_backbone_loads_by_name(boxed: ShippedModel) -> None:
    model = load("tiny")
    assert (model.name, model.license) == ("tiny", "BSD-3-Clause")
    assert "scmamba pretrain tiny.yaml" in str(info("tiny"))


def test_a_changed_file_is_refused(boxed: ShippedModel) -> None:
    with (boxed.folder / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ScmambaError, match="not those that were shipped"):
        load("tiny")


def test_a_typo_names_the_nearest(boxed: ShippedModel) -> None:
    with pytest.raises(ScmambaError, match="did you mean 'tiny'"):
        load("tinny")
    with pytest.raises(ScmambaError, match="no annotator 'tiny' comes with scmamba"):
        shipped("tiny", "annotator")


def test_the_table_lists_what_ships_and_what_is_published(boxed: ShippedModel, capsys) -> None:
    table = scmamba.models.list()
    row = table.loc["tiny"]
    assert (row["kind"], row["where"], row["tissue"]) == ("backbone", "shipped", "blood, gut")
    assert row["size_mb"] >= 0
    assert table.loc["sc-mamba2-whole-body", "kind"] == "backbone"
    assert row["n_cells"] == 7 and table.loc["sc-mamba2-whole-body", "n_cells"] is pd.NA
    assert table.index.is_unique
    assert main(["models"]) == 0
    shown = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert shown["sc-mamba2-whole-body"][-3:] == ["0", "-", "-"]


def test_every_shipped_model_is_whole() -> None:
    registry.shipped_models.cache_clear()
    for card in registry.shipped_models():
        assert card.check().is_dir()
        assert card.license and card.recipe and card.studies
        assert all(study.license for study in card.studies)
