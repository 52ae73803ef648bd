"""The demo from its command to its files, with a model too small to be good."""

from __future__ import annotations

import re
from pathlib import Path

import anndata
import pytest

from scmamba.cli.main import main

FILES = {
    "annotated.h5ad",
    "confusion.png",
    "reliability.png",
    "report.html",
    "training.png",
    "umap.png",
}


def test_the_demo_leaves_a_table_pictures_and_a_report_that_needs_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "demo"
    small = ["--training.epochs=1", "--training.width=16", "--training.n_members=1"]
    assert main(["demo", "--output", str(folder), *small]) == 0
    printed = capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == FILES
    for method in ("scmamba", "logistic regression", "15-NN on 30 PCs"):
        assert re.search(rf"^{method}\s+0\.\d+", printed, re.MULTILINE)
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert html.count("data:image/png;base64,") == 6
    assert not re.search(r'(src|href)="(?!data:|#)', html)
    cells = anndata.read_h5ad(folder / "annotated.h5ad")
    assert cells.n_obs == 210
    assert cells.obs["scmamba_best_guess"].isin(cells.obs["bulk_labels"].cat.categories).all()
    assert cells.uns["scmamba"]["task"] == "annotate"
