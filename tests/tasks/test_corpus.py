"""A corpus made of files: filters, copies, data sets held out, the manifest, a recipe that runs."""

from __future__ import annotations

import json
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from scmamba import settings
from scmamba._errors import ScmambaError
from scmamba.cli.main import main
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.tasks import CellFilters, CorpusManifest, build_corpus
from tests.stream.studies import GENES, study, write_studies

LOOSE = CellFilters(min_genes=5)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "verbosity", "error")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_studies(tmp_path / "data", (40, 30, 20))


def test_poor_cells_and_copies_are_left_out_and_counted(folder: Path, tmp_path: Path) -> None:
    cells = ad.read_h5ad(folder / "study0.h5ad")
    poor = cells[:3].copy()
    poor.X = poor.X.multiply(np.arange(len(GENES)) < 4).tocsr()
    poor.obs_names = [f"poor{i}" for i in range(3)]
    again = ad.read_h5ad(folder / "study1.h5ad")[:7].copy()
    again.obs_names = [f"again{i}" for i in range(7)]
    ad.concat([cells, poor, again]).write_h5ad(folder / "study0.h5ad")
    found = build_corpus(folder, tmp_path / "corpus", filters=LOOSE)
    by_name = {one.name: one for one in found.data_sets}
    assert by_name["study0"].left_out == {"few_genes": 3}
    assert by_name["study1"].left_out == {"copies": 7}
    assert found.n_cells == 90 + 7 - 7
    written = ad.read_h5ad(tmp_path / "corpus/study0.h5ad")
    assert written.obs_names.tolist() == [*cells.obs_names, *again.obs_names]
    np.testing.assert_array_equal(written[:40].X.toarray(), cells.X.toarray())
    assert written.obs["cell_type"].tolist()[:40] == cells.obs["cell_type"].tolist()


def test_cells_with_many_mitochondrial_counts_or_outside_the_limits() -> None:
    from scmamba.pp import expression

    cells = study(6, 0)
    cells.var_names = ["MT-CO1", *GENES[1:]]
    counts = cells.X.toarray()
    counts[:, 0] = 0
    counts[0, 0] = counts[0].sum()
    cells.X = counts
    total = counts.sum(1)
    filters = CellFilters(min_genes=1, min_counts=int(total[1]) + 1, max_mito=0.4)
    reasons = filters.reasons(expression(cells))
    assert reasons[0] == "mitochondrial" and reasons[1] == "counts"
    assert (reasons[total > total[1]][1:] == "").all()
    highest = CellFilters(1, max_counts=int(total[2]) - 1, max_mito=None).reasons(expression(cells))
    assert highest[2] == "counts" and highest[0] in ("", "counts")


def test_whole_data_sets_are_held_out(folder: Path, tmp_path: Path) -> None:
    named = build_corpus(folder, tmp_path / "named", filters=LOOSE, validation=["study1"])
    assert named.held_out == ("study1",)
    drawn = build_corpus(folder, tmp_path / "drawn", filters=LOOSE, validation=0.2, seed=1)
    assert 1 <= len(drawn.held_out) <= 2
    again = build_corpus(folder, tmp_path / "again", filters=LOOSE, validation=0.2, seed=1)
    assert again.held_out == drawn.held_out


def test_the_manifest_holds_sources_licenses_and_hashes(folder: Path, tmp_path: Path) -> None:
    about = tmp_path / "about.json"
    about.write_text(json.dumps({"study0": {"source": "a study", "license": "CC0 1.0"}}))
    made = build_corpus(folder, tmp_path / "corpus", filters=LOOSE, about=about)
    found = CorpusManifest.load(tmp_path / "corpus")
    assert found == made and found.data_sets[0].license == "CC0 1.0"
    assert found.data_sets[1].license == "not stated"
    assert found.data_sets[1].source.endswith("study1.h5ad")
    found.check()
    with (tmp_path / "corpus/study0.h5ad").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ScmambaError, match="study0.h5ad is not the file of the manifest"):
        found.check()
    (tmp_path / "corpus/study0.h5ad").unlink()
    with pytest.raises(ScmambaError, match="is missing"):
        found.check()


def test_the_recipe_that_is_written_pretrains(folder: Path, tmp_path: Path, capsys) -> None:
    corpus = tmp_path / "corpus"
    options = ["--output", str(corpus), "--held_out", "study2", "--labels_key", "cell_type"]
    assert main(["build-corpus", str(folder), "--min_genes", "5", *options]) == 0
    assert "corpus of 90 cells of 3 data sets" in capsys.readouterr().out
    assert main(["pretrain", str(corpus / "pretrain.yaml"), "--dry_run"]) == 0
    assert "70" in capsys.readouterr().out  # 20 of the cells are held out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"validation": 1.0}, "validation=1.0"),
        ({"validation": ["study9"]}, "held_out names study9"),
        ({"about": {"study9": {}}}, "about names study9; the data sets are study0"),
        ({"about": {"study0": {"licence": "x"}}}, "give a mapping with source, license"),
        ({"filters": CellFilters(min_genes=1000)}, "no cell of .* is left"),
    ],
    ids=["fraction", "held_out", "about", "license", "filters"],
)
def test_what_cannot_be_done_is_said(
    folder: Path, tmp_path: Path, options: dict, message: str
) -> None:
    with pytest.raises(ScmambaError, match=message):
        build_corpus(folder, tmp_path / "corpus", **{"filters": LOOSE, **options})


def test_a_folder_with_other_files_is_refused(folder: Path) -> None:
    with pytest.raises(ScmambaError, match="holds files; give a new folder"):
        build_corpus(folder, folder)


def test_unusable_files_are_skipped_on_request(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.h5ad").write_bytes(b"no HDF5")
    with pytest.raises(ScmambaError, match=r"broken\.h5ad"):
        build_corpus(folder, tmp_path / "corpus", filters=LOOSE)
    data = CorpusSettings(on_error="skip")
    found = build_corpus(folder, tmp_path / "corpus", filters=LOOSE, data=data)
    assert found.made_by["skipped"] == ["broken"] and len(found.data_sets) == 3


def test_limits_that_are_wrong_are_refused() -> None:
    with pytest.raises(ScmambaError, match="max_mito=20"):
        CellFilters(max_mito=20)
