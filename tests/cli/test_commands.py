"""annotate and embed from file to file, with a quick stand-in for the functions of tasks."""

from __future__ import annotations

import importlib
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError
from scmamba.cli.main import main
from scmamba.jobs.inputs import pair

LABELS = ["B", "NK", "T"]
_rng = np.random.default_rng(0)


class Annotator:
    history = pd.DataFrame({"cls": [2.0, 1.0], "val_loss": [2.0, 1.0]}, index=[1, 2])
    validation = pd.DataFrame({"held_out": [7, 8, 9]}, index=LABELS)

    def save(self, path: Path) -> None:
        Path(path).mkdir()


def annotate(
    adata: Path,
    reference: Path | None = None,
    *,
    labels_key: str | None = None,
    model: str | None = None,
    key_added: str = "scmamba",
    copy: bool = False,
    seed: int | None = None,
    output: Path | None = None,
    **others: object,
) -> Annotator:
    """Call every cell what it is, the first one unknown."""
    (place,) = pair(adata, output, copy)
    if reference is None and model is None:
        raise ScmambaError("nothing to learn from")
    adata = ad.read_h5ad(place.cells)
    truth = adata.obs["truth"].astype(str).to_numpy()
    adata.obs[f"{key_added}_best_guess"] = pd.Categorical(truth)
    adata.obs[f"{key_added}_cell_type"] = pd.Categorical(["unknown", *truth[1:]])
    why = ["low confidence", *[None] * (adata.n_obs - 1)]
    adata.obs[f"{key_added}_reason"] = pd.Categorical(why)
    adata.obs[f"{key_added}_confidence"] = np.linspace(0.4, 1, adata.n_obs)
    adata.obsm[f"X_{key_added}"] = np.eye(3)[np.unique(truth, return_inverse=True)[1]]
    adata.uns[key_added] = {
        "task": "annotate", "seed": seed or 0, "labels_key": labels_key or ""
    }  # fmt: skip
    assert place.output is not None
    adata.write_h5ad(place.output)
    return Annotator()


def embed(
    adata: Path | list[Path],
    model: str,
    *,
    normalize: bool = True,
    copy: bool = False,
    output: Path | None = None,
    **others: object,
) -> None:
    """Embed every cell as ones."""
    for place in pair(adata, output, copy):
        cells = ad.read_h5ad(place.cells)
        cells.obsm["X_scmamba"] = np.full((cells.n_obs, 2), 1.0 if normalize else 7.0)
        assert place.output is not None
        cells.write_h5ad(place.output)


@pytest.fixture(autouse=True)
def tasks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    importlib.import_module("scmamba.pl")  # what it imports needs the real tasks
    importlib.import_module("scmamba.tasks._integrating")
    module = ModuleType("scmamba.tasks")
    functions: list[Callable[..., object]] = [annotate, embed]
    for function in functions:
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "scmamba.tasks", module)
    return module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working folder with cells.h5ad and reference.h5ad."""
    monkeypatch.chdir(tmp_path)
    adata = ad.AnnData(_rng.poisson(1, (30, 4)).astype(np.float32))
    adata.obs["truth"] = pd.Categorical(_rng.choice(LABELS, 30))
    adata.obsm["X_umap"] = _rng.normal(size=(30, 2))
    adata.write_h5ad("cells.h5ad")
    adata.write_h5ad("reference.h5ad")
    return tmp_path


def run(line: str) -> int:
    return main(shlex.split(line))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_annotate_writes_cells_report_and_model(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folder / "cells.h5ad").read_bytes()
    code = run(
        "annotate cells.h5ad --reference reference.h5ad --labels_key truth --output out.h5ad "
        "--report report.html --save_model saved --truth_key truth --seed 5"
    )
    assert code == 0
    out = ad.read_h5ad("out.h5ad")
    assert out.uns["scmamba"] == {"task": "annotate", "seed": 5, "labels_key": "truth"}
    assert (out.obs["scmamba_best_guess"].astype(str) == out.obs["truth"].astype(str)).all()
    assert (folder / "cells.h5ad").read_bytes() == before
    printed = capsys.readouterr().out
    assert "accuracy                   1.000" in printed
    assert "unknown, by reason: low confidence: 1\n" in printed
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 5
    assert "96.7%" in page
    assert "Unknown cells, by reason: low confidence: 1." in page
    assert "Validation of each type on held-out cells" in page
    expected = {"cells.h5ad", "reference.h5ad", "out.h5ad", "report.html", "saved"}
    assert names(folder) == expected


def test_report_without_truth_or_umap(folder: Path) -> None:
    adata = ad.read_h5ad("cells.h5ad")
    del adata.obsm["X_umap"]
    adata.write_h5ad("plain.h5ad")
    assert run("annotate plain.h5ad --model m --output o.h5ad --report r.html") == 0
    assert (folder / "r.html").read_text(encoding="utf-8").count("data:image/png") == 3
    assert "X_umap" not in ad.read_h5ad("o.h5ad").obsm


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("annotate none.h5ad --output o.h5ad", "none.h5ad does not exist"),
        ("annotate cells.h5ad --output no/o.h5ad", "does not exist; make it"),
        ("annotate cells.h5ad --output o.h5ad --report no/r.html", "the folder no does not"),
        ("annotate cells.h5ad --output o.h5ad --save_model cells.h5ad/m", "is a file"),
        ("annotate cells.h5ad --output o.h5ad --truth_key nope --model m", "'nope' is not in obs"),
        ("annotate cells.h5ad --output o.h5ad", "nothing to learn from"),
        ("embed none.h5ad --model m --output o.h5ad", "none.h5ad does not exist"),
        ("embed cells.h5ad --model m --output no/o.h5ad", "does not exist; make it"),
    ],
)
def test_wrong_inputs_write_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    before = names(folder)
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert names(folder) == before


def test_interrupted_work_leaves_the_old_output(
    folder: Path, tasks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "out.h5ad").write_text("old")

    def stop(adata: Path, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tasks, "annotate", stop)
    assert run("annotate cells.h5ad --output out.h5ad") == 130
    assert (folder / "out.h5ad").read_text() == "old"


def test_embed_passes_options_on(folder: Path) -> None:
    assert run("embed cells.h5ad --model m --output o.h5ad --normalize false") == 0
    assert (ad.read_h5ad("o.h5ad").obsm["X_scmamba"] == 7).all()


def test_several_files_are_embedded_into_a_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("embed cells.h5ad reference.h5ad --model m --output out --normalize false") == 0
    assert names(folder / "out") == {"cells.h5ad", "reference.h5ad"}
    assert (ad.read_h5ad("out/reference.h5ad").obsm["X_scmamba"] == 7).all()
    assert "embeddings of 60 cells" in capsys.readouterr().out
