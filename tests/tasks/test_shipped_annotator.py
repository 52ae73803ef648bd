"""``annotate`` with nothing but cells: the annotator that ships and fits, or a clear refusal."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat
from scipy import sparse

import scmamba
from scmamba import ScmambaError, models
from scmamba.cli.main import main
from scmamba.models.shipped import ShippedModel, registry, shipped, write_card
from scmamba.tasks import annotate
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.hierarchy import Hierarchy, cell_types
from scmamba.tokens.cells.gene_table import human_genes
from tests.tasks.shipped_cells import blood_cells


@pytest.fixture(scope="module")
def blood() -> AnnData:
    return blood_cells()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def _state(adata: AnnData) -> tuple[list[str], list[str], list[str]]:
    return list(adata.obs), list(adata.obsm), list(adata.uns)


def _named(adata: AnnData, names: list[str]) -> AnnData:
    renamed = adata.copy()
    renamed.var_names = names
    return renamed


def _same_types(adata: AnnData) -> float:
    return float((adata.obs["scmamba_best_guess"].astype(str) == adata.obs["truth"]).mean())


def test_cells_alone_are_annotated_offline_at_two_levels(blood: AnnData, offline: None) -> None:
    found, annotator = annotate(blood, copy=True)
    assert _same_types(found) > 0.8
    levels, obs = annotator.hierarchy, found.obs
    assert levels is not None and set(levels.fine) == set(annotator.classes)
    fine, coarse = obs["scmamba_cell_type"], obs["scmamba_cell_type_coarse"]
    named = fine != "unknown"
    parent = {one: cell_types()[one].coarse for one in annotator.classes}
    assert (fine[named].astype(str).map(parent) == coarse[named].astype(str)).all()
    assert (coarse != "unknown").sum() >= named.sum()
    ids = obs["scmamba_cell_type_ontology_term_id"]
    finest = fine.astype(str).where(named, coarse.astype(str))
    assert [levels.ids.get(one, "unknown") for one in finest] == ids.tolist()


def test_the_name_gives_the_same_as_nothing(blood: AnnData) -> None:
    alone, _ = annotate(blood, copy=True)
    named, _ = annotate(blood, model="blood", copy=True)
    assert alone.obs["scmamba_cell_type"].equals(named.obs["scmamba_cell_type"])


def test_a_typo_in_the_name(blood: AnnData) -> None:
    before = _state(blood)
    with pytest.raises(ScmambaError, match="did you mean 'blood'"):
        annotate(blood, model="blod")
    assert _state(blood) == before


def test_other_tasks_refuse_an_annotator_by_name(blood: AnnData) -> None:
    with pytest.raises(ScmambaError, match="holds an annotator"):
        scmamba.tasks.embed(blood, model="blood")


def test_ensembl_ids_and_log_normalized_values(blood: AnnData) -> None:
    table = human_genes()
    symbols = {gene: symbol for symbol, gene in table._symbol.items()}
    numbers = {symbols[gene]: n for n, gene in table._main.items() if gene in symbols}
    names = [f"ENSG{numbers[g]:011d}" if g in numbers else g for g in blood.var_names]
    assert sum(name.startswith("ENSG") for name in names) > len(names) / 2
    ids = _named(blood, names)
    logged = blood.copy()
    logged.X = scmamba.pp.log_normalize(sparse.csr_matrix(blood.X))
    for cells in (ids, logged):
        found, _ = annotate(cells, copy=True)
        assert _same_types(found) > 0.8


def test_voting_within_given_clusters(blood: AnnData) -> None:
    cells = blood.copy()
    cells.obs["cluster"] = cells.obs["truth"]
    annotate(cells, majority_voting="cluster")
    assert "scmamba_majority_voting" in cells.obs


def test_mouse_genes_need_to_be_asked_for(blood: AnnData) -> None:
    mouse = _named(blood, [name.capitalize() for name in blood.var_names])
    before = _state(mouse)
    for options in ({}, {"model": "blood"}):
        with pytest.raises(ScmambaError, match="organism='mouse'"):
            annotate(mouse, **options)
    assert _state(mouse) == before
    annotate(mouse, organism="mouse")
    assert _same_types(mouse) > 0.8
    with pytest.raises(ScmambaError, match=r"organism='rat'; allowed: 'human', 'mouse'"):
        annotate(mouse, organism="rat")


def test_mouse_genes_in_upper_case_are_noticed(blood: AnnData, caplog) -> None:
    caplog.set_level("WARNING", "scmamba")
    riken = [f"{i:07}A{i:02}RIK" for i in range(50)]
    clones = AnnData(np.zeros((blood.n_obs, 50), np.float32), blood.obs, pd.DataFrame(index=riken))
    mouse = concat([blood, clones], axis=1, merge="same")
    with pytest.raises(ScmambaError, match="such as 0000000A00RIK are those of mouse, in upper"):
        annotate(mouse, copy=True)
    annotate(mouse, model="blood", copy=True)  # it was asked for
    assert "genes such as 0000000A00RIK are those of mouse, in upper case" in caplog.text
    caplog.clear()
    annotate(mouse, organism="mouse", copy=True)
    annotate(blood, copy=True)
    assert "in upper case" not in caplog.text and "do not look like" not in caplog.text


def test_cells_that_fit_nothing_are_refused_and_left_alone(blood: AnnData) -> None:
    shuffled = _named(blood, np.random.default_rng(0).permutation(blood.var_names).tolist())
    few = blood[:, :400].copy()
    for cells, reason in ((shuffled, "and knows"), (few, "of its genes")):
        before = _state(cells)
        with pytest.raises(ScmambaError, match=f"none of the annotators .*'blood'.*{reason}"):
            annotate(cells)
        assert _state(cells) == before


def test_training_without_labels_is_refused(blood: AnnData) -> None:
    with pytest.raises(ScmambaError, match="nothing says what to learn from"):
        annotate(blood, training=scmamba.tasks.AnnotationTraining(epochs=1))


def test_of_several_annotators_the_one_that_fits_is_taken(
    blood: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Annotator.load(shipped("blood").folder)
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    shifted = replace(known.panel, genes=known.panel.genes[1:] + known.panel.genes[:1])
    for name, one in (("other", replace(known, panel=shifted)), ("right", known)):
        folder = one.save(tmp_path / name)
        write_card(ShippedModel(name, "annotator", "human", ("x",), one.classes, folder=folder))
    found, annotator = annotate(blood, copy=True)
    registry.shipped_models.cache_clear()
    assert annotator.panel.genes == known.panel.genes
    assert _same_types(found) > 0.8


def test_the_hierarchy_survives_saving(tmp_path: Path) -> None:
    levels = Hierarchy.of(["CD4 T cell", "CD8 T cell", "NK cell"])
    levels = levels.with_thresholds(np.array([0.5, np.inf]))
    again = Hierarchy.from_json(levels.to_json(), levels.fine)
    assert (again.coarse, dict(again.ids)) == (levels.coarse, dict(levels.ids))
    assert again.thresholds.tolist() == [0.5, np.inf]
    with pytest.raises(ScmambaError, match="'no such cell': not in the table"):
        Hierarchy.of(["no such cell"])


def test_an_unsure_fine_type_still_has_a_coarse_one() -> None:
    levels = Hierarchy.of(["CD4 T cell", "CD8 T cell", "NK cell"])
    levels = levels.with_thresholds(np.array([0.9, 0.9]))
    log_proba = np.log([[0.5, 0.45, 0.05], [0.4, 0.1, 0.5], [0.5, 0.45, 0.05]])
    codes = levels.labels(log_proba, np.zeros(3, dtype=bool), [False, False, True])
    assert codes.tolist() == [levels.coarse.index("T cell"), -1, -1]


def test_the_command_line_needs_no_reference(
    blood: AnnData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blood.write_h5ad(tmp_path / "cells.h5ad")
    given = ["annotate", str(tmp_path / "cells.h5ad"), "--output", str(tmp_path / "out.h5ad")]
    assert main([*given, "--device", "cpu"]) == 0
    assert "80 cells annotated" in capsys.readouterr().out
    assert main(["models", "--kind", "annotator"]) == 0
    assert "blood" in capsys.readouterr().out


def test_an_annotator_is_loaded_by_its_name() -> None:
    assert Annotator.load("blood").classes == Annotator.load(shipped("blood").folder).classes
    with pytest.raises(ScmambaError, match="did you mean 'blood'"):
        Annotator.load("blod")
    with pytest.raises(ScmambaError, match=r"scmamba\.models\.load\('scmamba-mini'\)"):
        Annotator.load("scmamba-mini")
    with pytest.raises(ScmambaError, match=r"Annotator\.load\('blood'\)"):
        models.load("blood")
    with pytest.raises(ScmambaError, match=r"load it by scmamba\.tasks\.Annotator\.load"):
        models.load(shipped("blood").folder)
