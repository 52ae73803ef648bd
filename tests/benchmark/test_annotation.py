"""Annotation by several methods: the same cells for all, labels of the query unseen, runs kept."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError, benchmark, datasets
from scmamba.benchmark import ANNOTATION_METHODS, AnnotationMethod, AnnotationSplit, Predictions


@pytest.fixture
def cells() -> ad.AnnData:
    adata = datasets.synthetic(120, 60, 3, n_batches=2)
    adata.obs["cell_type"] = adata.obs["cell_type"].astype(str)
    adata.obs.loc[adata.obs_names[[3, 110]], "cell_type"] = "Unknown"
    return adata


def test_plain_methods_learn_and_are_scored_on_known_cells(cells, tmp_path: Path) -> None:
    given = {"output": tmp_path, "methods": ["lr", "svm", "knn"], "seeds": [0], "n_top_genes": None}
    found = benchmark.annotation(cells[:80], cells[80:], "cell_type", **given)
    assert set(found.summary.index) == {ANNOTATION_METHODS[n].title for n in ("lr", "svm", "knn")}
    assert found.summary.loc["logistic regression", "accuracy"] > 0.9
    assert (found.runs["seconds"] >= 0).all()
    again = benchmark.annotation(cells[:80], cells[80:], "cell_type", **given)
    pd.testing.assert_frame_equal(found.runs, again.runs)
    with pytest.raises(ScmambaError, match="lr__0.json is of another run: cells differ"):
        benchmark.annotation(cells[:70], cells[80:], "cell_type", **given)


def test_no_method_sees_the_labels_of_the_query(cells, tmp_path, monkeypatch) -> None:
    def look(split: AnnotationSplit, seed: int) -> Predictions:
        assert "cell_type" not in split.query.obs
        train, query, genes = split.values()
        assert train.shape == (79, 20) and query.shape == (40, 20) and len(genes) == 20
        assert len(split.known_labels) == 79 and "Unknown" not in split.known_labels
        return Predictions(split.truth, np.ones(40), np.zeros(40, bool), 1.0)

    monkeypatch.setitem(ANNOTATION_METHODS, "mine", AnnotationMethod(look, "mine"))
    found = benchmark.annotation(
        cells[:80], cells[80:], "cell_type", output=tmp_path, methods=["mine"], seeds=[0, 1],
        n_top_genes=20,
    )  # fmt: skip
    assert found.runs["accuracy"].tolist() == [1.0, 1.0]
    assert found.summary.loc["mine", "coverage"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["forest"]}, "method 'forest'; allowed: 'scmamba', 'lr'"),
        ({"labels_key": "type"}, "labels_key='type' is no column of reference.obs; there are"),
        ({"seeds": []}, "at least one method and one seed"),
    ],
)
def test_wrong_arguments_are_named(cells, tmp_path, changes, message) -> None:
    given = {"labels_key": "cell_type", "output": tmp_path, "methods": ["lr"], **changes}
    with pytest.raises(ScmambaError, match=message):
        benchmark.annotation(cells[:80], cells[80:], **given)


def test_celltypist_is_trained_on_the_labeled_cells(cells, tmp_path: Path) -> None:
    pytest.importorskip("celltypist")
    found = benchmark.annotation(
        cells[:80], cells[80:], "cell_type", output=tmp_path, methods=["celltypist"], seeds=[0]
    )
    (row,) = found.runs.to_dict("records")
    assert row["method"] == "CellTypist (SGD)" and row["accuracy"] > 0.9
    assert row["cpu_seconds"] > 0 and 0 <= row["ece"] <= 1
