"""The page stands alone, says what it was given, and shows the result of any task."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import sparse

from scmamba import ScmambaError
from scmamba.datasets import synthetic
from scmamba.pl import Report, report
from scmamba.pl._report import Section
from scmamba.pl._report.findings import Findings
from scmamba.pl._report.sections.attention import types_of_one_batch

SCORES = pd.DataFrame(
    {"accuracy ↑": [0.9, 0.8501], "error ↓": [0.2, 0.1], "cells": [1200, 3], "note": ["<b>", None]},
    index=["scmamba", "kNN & co"],
)


pytestmark = pytest.mark.usefixtures("plain_places")


def of(sections: Report) -> list[str]:
    return [name for one in sections.sections for name in one.parts]


def test_page_is_self_contained_and_well_formed(annotated: ad.AnnData, tmp_path: Path) -> None:
    made = report(annotated, tmp_path / "r.html", labels_key="truth")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert page == made.html
    assert not re.search(r"https?://|<script|<link|url\(", page)
    assert "data:image/png;base64,iVBOR" in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page

    class Balance(HTMLParser):
        open: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in {"meta", "img"}:
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert "&lt;script&gt;alert(1)" in page
    assert "g&quot;" in page


def test_numbers_are_formatted_and_the_best_are_bold() -> None:
    parts: dict[str, Any] = {"A picture": Figure(figsize=(2, 1)), "Scores": SCORES, "Words": "a\nb"}
    page = Report("A <title>", ["First & last."], [Section(parts, {"n": "9"})], ["Beware."]).html
    assert "A &lt;title&gt;" in page
    assert "kNN &amp; co" in page
    assert "<td>1,200</td>" in page and "<td class=words>–</td>" in page
    assert re.findall(r"<td class=best>(.*?)</td>", page) == ["0.900", "0.100"]
    assert "<p>a</p><p>b</p>" in page and "<p>Beware.</p>" in page


def test_words_stand_at_the_left() -> None:
    genes = "CD3D, CD3E, CD3G, IL7R, LTB, TCF7, LEF1"
    table = pd.DataFrame({"n": [1, 2], "why": ["few", None], "genes": [genes, "<b>"]}, ["a", "b"])
    page = Report("Words", sections=[Section({"Table": table})]).html
    assert "<th>n</th><th class=words>why</th>" in page
    assert f'<td>1</td><td class=words>few</td><td class="words long">{genes}</td>' in page
    assert '<td class=words>–</td><td class="words long">&lt;b&gt;</td>' in page


def test_annotation(annotated: ad.AnnData) -> None:
    before = annotated.copy()
    page = report(annotated, labels_key="truth", batch_key="batch")
    told = " | ".join(of(page))
    for text in (
        "Worth a look", "The annotated cells", "Predicted labels", "How sure",
        "What each batch consists of", "Rows are known labels", "By known label", "t-test",
        "Validation of each type", "Components on 30 held-out cells", "What ran",
    ):  # fmt: skip
        assert text in told
    tiles = {name: value for one in page.sections for name, value in one.tiles.items()}
    assert tiles["cells"] == "80" and tiles["genes matched"] == "25%"
    assert tiles["accuracy of the best guess"] == "1.000"
    assert list(annotated.obs) == list(before.obs) and list(annotated.obsm) == list(before.obsm)
    words = next(one.parts["Worth a look"] for one in page.sections if "Worth a look" in one.parts)
    for text in ("Only 10 of 40 genes", "38% of the cells", "fewer than 20", "less than half",
                 "never predicted", "no batch_key"):  # fmt: skip
        assert text in str(words)


def test_results_that_say_little_are_shown_too() -> None:
    adata = synthetic(30, 20, 2)
    page = report(adata)
    assert "holds no record" in page.html
    assert of(report(adata, labels_key="cell_type"))[1].startswith("The cells by cell_type")
    assert of(report(ad.AnnData(obs=adata.obs))) == ["Worth a look"]


def test_integration() -> None:
    adata = synthetic(60, 30, 2, n_batches=2)
    adata.obsm["X_run"] = np.eye(2)[adata.obs["batch"].cat.codes] * 50 + np.random.default_rng(
        0
    ).normal(size=(60, 2))
    adata.obs["run_distance"] = np.where(adata.obs["batch"] == adata.obs["batch"].iloc[0], 1, 3.0)
    adata.uns["run"] = {"task": "integrate", "batch_key": "batch"}
    page = report(adata, key_added="run")
    assert "Batches should mix from left to right" in " ".join(of(page))
    assert "stays apart" in page.html and "3.0 times as far" in page.html
    assert "median distance" in page.html


def test_modalities() -> None:
    adata = synthetic(40, 30, 2)
    rng = np.random.default_rng(0)
    for key in ("X_scmamba", "X_scmamba_rna", "X_scmamba_prot"):
        adata.obsm[key] = rng.normal(size=(40, 4))
    adata.obs["scmamba_weight_rna"], adata.obs["scmamba_weight_prot"] = 0.75, 0.25
    adata.uns["scmamba"] = {"task": "multiomics"}
    adata.uns["scmamba_reliability_prot"] = {"CD3": 0.9, "CD4": 0.2}
    page = report(adata, labels_key="cell_type")
    assert "CD3" in page.html and "How much each modality says" in page.html


def test_a_training_that_was_cut_is_told() -> None:
    adata = synthetic(40, 30, 2)
    adata.uns["scmamba"] = {"task": "embed", "cut": "5 of 20 epochs (<b>)"}
    assert "cut by its limit in time (5 of 20 epochs (&lt;b&gt;))" in report(adata).html


def test_perturbation() -> None:
    controls = synthetic(40, 30, 2)
    predicted = controls.copy()
    predicted.X = predicted.X + sparse.csr_matrix(20.0 * np.eye(1, 30).repeat(40, axis=0))
    predicted.obs["condition"] = "STAT1"
    row = {"perturbation": "STAT1", "context": "", "rests_on": "mean of all", "nearest": "A"}
    predicted.uns["scmamba"] = {"task": "perturb", "support": pd.DataFrame([row])}
    page = report(predicted, controls=controls)
    assert "are the mean of all perturbations" in page.html
    assert re.search(r"STAT1</th><td[^>]*>gene_0 \(\+", page.html)
    assert "rests on</th>" in page.html


def test_knock_out_and_network() -> None:
    adata = synthetic(40, 30, 2)
    adata.obsm["scmamba_knockout"] = np.abs(np.random.default_rng(0).normal(size=(40, 2)))
    adata.uns["scmamba"] = {"task": "knockout", "params": {"kind": "delete", "genes": "A, <B>"}}
    page = report(adata, labels_key="cell_type")
    assert "&lt;B&gt;" in page.html and "when a gene is deleted" in page.html
    adata.varp["scmamba_network"] = sparse.csr_matrix(([1.0, -2.0], ([0, 0], [1, 2])), (30, 30))
    adata.uns["scmamba"] = {"task": "gene_network"}
    page = report(adata)
    assert "gene_2, gene_1" in page.html


def test_a_type_of_one_batch_and_a_batch_of_one_type_are_told() -> None:
    obs = pd.DataFrame(
        {"batch": ["a"] * 30 + ["b"] * 30 + ["c"] * 30, "type": ["T"] * 60 + ["odd"] * 30}
    )
    cells = ad.AnnData(obs=obs.set_axis(obs.index.astype(str)))
    found = Findings(cells, cells, _keys(), "type", "batch", None, None, None, 0)
    told = list(types_of_one_batch(found))
    assert any("'odd' are of one batch, 'c'" in line for line in told)
    assert any("batch 'c' are called 'odd'" in line for line in told)


def _keys() -> Any:
    from scmamba._keys import Keys

    return Keys()


def test_expression_that_cannot_be_read_is_told(annotated: ad.AnnData) -> None:
    annotated.X = -np.ones(annotated.shape, np.float32)
    page = report(annotated)
    assert "Genes are not shown" in page.html and "t-test" not in page.html
    annotated.layers["counts"] = np.random.default_rng(0).poisson(1, annotated.shape)
    assert "t-test" in report(annotated, layer="counts").html


def test_large_data_are_sampled(annotated: ad.AnnData) -> None:
    page = report(annotated, n_cells=50)
    assert "Drawn are 50 of the cells." in page.html
    assert page.html == report(annotated, n_cells=50).html


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels_key": "no"}, "labels_key='no'.*'cell_type'"),
        ({"batch_key": "no"}, "batch_key='no'"),
        ({"n_cells": 0}, "n_cells=0"),
        ({"path": "missing/r.html"}, "does not exist"),
    ],
)
def test_wrong_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        report(synthetic(20, 10, 2), **options)


def test_what_holds_no_cells_is_refused() -> None:
    with pytest.raises(ScmambaError, match="give an AnnData"):
        report([1])
    with pytest.raises(ScmambaError, match="no cells"):
        report(synthetic(20, 10, 2)[:0].copy())
