"""Labels from three sources, written whole or not at all."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.decomposition import PCA

from scmamba import models, tasks
from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.datasets import synthetic
from scmamba.learn import supervised
from scmamba.learn.axes import fit_axes
from scmamba.learn.fitters import Finetune
from scmamba.pp.expression import expression
from scmamba.tasks import AnnotationTraining, Annotator
from scmamba.tasks._annotation import cells as cell_module
from scmamba.tasks._annotation import networks, task
from scmamba.tasks._forward import cell_data
from scmamba.tasks._gene_vectors import pretrained_vectors, start_vectors
from scmamba.tasks._pretrained import model_genes
from tests.tasks.tiny import TINY, annotate

WRITTEN = ["cell_type", "best_guess", "confidence", "ood_score", "reason"]


def forbid_training(monkeypatch) -> None:
    def fail(*args, **options):
        raise AssertionError("training began")

    monkeypatch.setattr(task, "fit_supervised", fail)
    monkeypatch.setattr(task, "fit_axes", fail)


def test_partly_labeled_cells(fitted) -> None:
    adata, annotator = fitted
    obs = adata.obs
    assert annotator.classes == ("type_0", "type_1", "type_2")
    new = obs["label"].isna()
    truth = obs["cell_type"].astype(str)
    assert (obs["scmamba_best_guess"].astype(str) == truth)[new].mean() > 0.7
    assert (obs["scmamba_cell_type"].astype(str) == truth)[~new].all()  # labels given are kept
    assert set(obs["scmamba_best_guess"]) <= set(annotator.classes)
    assert obs["scmamba_confidence"].between(1 / 3, 1).all()
    assert adata.obsm["X_scmamba"].shape == (90, 16)
    assert annotator.scores["n_cells"] == 60
    assert {"linear_accuracy", "neural_accuracy", "both_accuracy"} <= annotator.scores.keys()
    assert annotator.history.index[0] == 1 and "train_loss" in annotator.history


def test_unknown_where_doubtful_or_strange_and_nowhere_else(fitted) -> None:
    adata, annotator = fitted
    table = annotator.predict(adata)
    said = annotator._predict(adata, {})
    thresholds = dict(zip(annotator.classes, annotator.thresholds, strict=True))
    doubtful = table["confidence"] < table["best_guess"].map(thresholds)
    strange = table["ood_score"] > annotator.ood_threshold
    assert ((table["cell_type"] == "unknown") == (doubtful | strange)).all()
    known = table["cell_type"] != "unknown"
    assert (table["cell_type"] == table["best_guess"])[known].all()
    assert not said.empty.any()
    new = adata.obs["label"].isna()
    assert (adata.obs["scmamba_cell_type"].astype(str) == table["cell_type"])[new].all()


def test_validation_of_each_type(fitted) -> None:
    adata, annotator = fitted
    table = annotator.validation
    assert table.index.tolist() == list(annotator.classes)
    labeled = adata.obs[adata.obs["label"].notna()]
    assert table["cells"].tolist() == labeled["label"].value_counts().sort_index().tolist()
    assert (table["batches"] == 3).all() and table["held_out"].sum() == 60
    assert table[["recall", "precision"]].stack().between(0.5, 1).all()
    assert (table["threshold"] == annotator.thresholds).all() and table["validated"].all()


def test_a_type_of_one_batch_is_not_validated(cells, quick) -> None:
    only = (cells.obs["cell_type"] != "type_2") | (cells.obs["batch"] == cells.obs["batch"].iloc[0])
    reference = cells[only].copy()
    annotator = annotate(cells, reference, labels_key="cell_type", batch_key="batch")
    row = annotator.validation.loc["type_2"]
    assert (row["batches"], row["held_out"], row["validated"]) == (1, 0, False)
    assert np.isnan(row["threshold"])
    assert "never predicted  1: type_2 (see .validation)" in repr(annotator)
    of_it = cells.obs["scmamba_best_guess"] == "type_2"
    assert of_it.any()
    known = ["type not validated", "out of distribution"]
    assert cells.obs["scmamba_reason"][of_it].isin(known).all()
    assert (cells.obs["scmamba_cell_type"][of_it] == "unknown").all()
    labeled = cells.obs["scmamba_cell_type"] != "unknown"
    assert cells.obs["scmamba_reason"].isna().equals(labeled)


@pytest.mark.parametrize("strange", [False, True])
def test_a_larger_shift_than_between_batches_is_told(fitted, cells, caplog, strange) -> None:
    caplog.set_level("WARNING", "scmamba")
    query = cells.copy()
    if strange:
        query.X = np.random.default_rng(0).permuted(cells.X.toarray(), axis=1)
    annotate(query, model=fitted[1])
    held_out = query.uns["scmamba"]["held_out_shift"]
    assert set(held_out) == set(cells.obs["batch"])
    assert ("differ more from the labeled cells" in caplog.text) is strange
    assert (query.uns["scmamba"]["shift"] > max(held_out.values()) + 0.02) is strange


@pytest.mark.parametrize("batch_key", [None, "batch"])
def test_validation_without_batches_is_told(cells, quick, caplog, batch_key) -> None:
    caplog.set_level("WARNING", "scmamba")
    annotate(cells[:20].copy(), cells, labels_key="cell_type", batch_key=batch_key)
    assert ("without batch_key=" in caplog.text) is (batch_key is None)


def test_one_threshold_for_all_types(cells, quick) -> None:
    annotator = annotate(cells, labels_key="label", batch_key="batch", class_thresholds=False)
    assert len(set(annotator.thresholds)) == 1
    assert annotator.about["class_thresholds"] is False


def test_probabilities(fitted) -> None:
    adata, annotator = fitted
    proba = annotator.predict_proba(adata)
    assert proba.columns.tolist() == list(annotator.classes)
    assert (proba.to_numpy() >= 0).all()
    np.testing.assert_allclose(proba.sum(1), 1)
    table = annotator.predict(adata)
    assert (proba.idxmax(axis=1) == table["best_guess"]).all()
    np.testing.assert_allclose(proba.max(axis=1), table["confidence"])
    np.testing.assert_array_equal(adata.obs["scmamba_confidence"], table["confidence"])


def test_saved_and_loaded_it_says_the_same(fitted, tmp_path, assert_untouched) -> None:
    adata, annotator = fitted
    before = adata.copy()
    annotator.save(tmp_path / "saved")
    loaded = Annotator.load(tmp_path / "saved")
    pd.testing.assert_frame_equal(loaded.predict(adata), annotator.predict(adata))
    pd.testing.assert_frame_equal(loaded.predict_proba(adata), annotator.predict_proba(adata))
    assert_untouched(adata, before)
    assert loaded.about == annotator.about
    assert loaded.scores == annotator.scores
    pd.testing.assert_frame_equal(loaded.validation, annotator.validation)
    np.testing.assert_array_equal(loaded.thresholds, annotator.thresholds)
    loaded.save(tmp_path / "saved")  # replaces its own
    pd.testing.assert_frame_equal(
        Annotator.load(tmp_path / "saved").predict(adata), annotator.predict(adata)
    )


@pytest.mark.parametrize("way", ["object", "folder", "text"])
def test_a_saved_annotator_trains_nothing(fitted, tmp_path, monkeypatch, way) -> None:
    adata, annotator = fitted
    forbid_training(monkeypatch)
    annotator.save(tmp_path / "saved")
    model = {"object": annotator, "folder": tmp_path / "saved", "text": str(tmp_path / "saved")}
    query = synthetic(90, 60, 3, n_batches=3, human=True)
    query.obs["label"] = "nonsense"  # ignored
    annotate(query, labels_key="label", model=model[way])
    table = annotator.predict(query)
    for name in WRITTEN:
        written = query.obs[f"scmamba_{name}"].astype(object)
        assert written.equals(table[name].astype(object)), name
    own = {"shift": query.uns["scmamba"]["shift"]}  # of all cells, not of the unlabeled ones
    assert query.uns["scmamba"] == {**adata.uns["scmamba"], **own}


def test_order_of_cells_and_genes_changes_nothing(fitted) -> None:
    adata, annotator = fitted
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(90), rng.permutation(60)
    expected = annotator.predict(adata)
    found = annotator.predict(adata[rows][:, columns])
    assert (found["cell_type"] == expected["cell_type"].iloc[rows]).all()
    assert (found["best_guess"] == expected["best_guess"].iloc[rows]).all()
    for name in ("confidence", "ood_score"):
        np.testing.assert_allclose(found[name], expected[name].iloc[rows], atol=1e-4)
    alone = annotator.predict(adata[17])
    np.testing.assert_allclose(alone["confidence"], expected["confidence"].iloc[17], atol=1e-4)
    np.testing.assert_allclose(alone["ood_score"], expected["ood_score"].iloc[17], atol=1e-4)


def test_threads_change_nothing(fitted) -> None:
    adata, annotator = fitted
    expected = annotator.predict_proba(adata)
    torch.set_num_threads(4)
    np.testing.assert_allclose(annotator.predict_proba(adata), expected, atol=1e-4)


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X.toarray(),
        sparse.csc_matrix,
        lambda X: X.astype(np.int64),
        lambda X: X.astype(np.float64),
    ],
    ids=["dense", "csc", "int", "float64"],
)
def test_forms_of_x(fitted, form) -> None:
    adata, annotator = fitted
    other = ad.AnnData(form(adata.X), obs=adata.obs, var=adata.var)
    pd.testing.assert_frame_equal(annotator.predict(other), annotator.predict(adata))


def test_counts_and_log_values_mean_the_same(fitted) -> None:
    adata, annotator = fitted
    other = adata.copy()
    X = adata.X.toarray()
    other.X = np.log1p(X / X.sum(1, keepdims=True) * 1e4)
    np.testing.assert_allclose(
        annotator.predict_proba(other), annotator.predict_proba(adata), atol=1e-4
    )


@pytest.mark.parametrize("copy", [False, True])
def test_backed_cells(fitted, tmp_path, copy) -> None:
    adata, annotator = fitted
    plain = ad.AnnData(adata.X, var=adata.var)
    plain.write_h5ad(tmp_path / "cells.h5ad")
    content = (tmp_path / "cells.h5ad").read_bytes()
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    result = annotate(backed, model=annotator, copy=copy)
    table = (result[0] if copy else backed).obs
    assert (
        table["scmamba_best_guess"].astype(str) == annotator.predict(adata)["best_guess"].array
    ).all()
    backed.file.close()
    assert (tmp_path / "cells.h5ad").read_bytes() == content


def test_a_view_is_written_and_its_parent_is_not(fitted, assert_untouched) -> None:
    adata, annotator = fitted
    before, view = adata.copy(), adata[10:30]
    annotate(view, model=annotator, key_added="again")
    assert "again_cell_type" in view.obs
    assert_untouched(adata, before)


def test_a_backed_view_is_refused_before_any_work(cells, fitted, tmp_path) -> None:
    cells.write_h5ad(tmp_path / "cells.h5ad")
    view = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")[:9]
    with pytest.raises(ScmambaError, match="view of a backed AnnData.*copy=True"):
        annotate(view, model=fitted[1])
    assert annotate(view, model=fitted[1], copy=True)[0].n_obs == 9


def test_what_ran_is_told_and_survives_files(fitted, tmp_path) -> None:
    adata, annotator = fitted
    said = adata.uns["scmamba"]
    assert (said["task"], said["mode"], said["model"], said["seed"]) == (
        "annotate",
        "scratch",
        "compact",
        0,
    )
    assert said["n_labeled"] == 60
    assert list(said["thresholds"].values()) == annotator.thresholds.tolist()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    adata.write_zarr(tmp_path / "cells.zarr")
    for back in (ad.read_h5ad(tmp_path / "cells.h5ad"), ad.read_zarr(tmp_path / "cells.zarr")):
        assert {**back.uns["scmamba"], "scores": dict(back.uns["scmamba"]["scores"])} == said
        pd.testing.assert_frame_equal(back.uns["scmamba_validation"], annotator.validation)
        pd.testing.assert_series_equal(
            back.obs["scmamba_cell_type"], adata.obs["scmamba_cell_type"]
        )


def test_few_genes_in_common(fitted) -> None:
    adata, annotator = fitted
    with pytest.raises(ScmambaError, match="genes match"):
        query = adata.copy()
        query.var_names = [f"g{i}" for i in range(60)]
        annotator.predict(query)
    half = annotator.predict(adata[:, 20:])
    truth = adata.obs["cell_type"].astype(str)
    assert (half["best_guess"] == truth).mean() > 0.6


@pytest.mark.parametrize("what", ["predict", "annotate"])
def test_an_empty_cell_is_kept_flagged_and_unknown(fitted, what) -> None:
    adata, annotator = fitted
    X = adata.X.toarray()
    X[4] = 0
    query = ad.AnnData(sparse.csr_matrix(X), obs=adata.obs[["cell_type"]], var=adata.var)
    if what == "predict":
        assert annotator.predict(query)["cell_type"].iloc[4] == "unknown"
        return
    annotate(query, model=annotator)
    assert np.flatnonzero(query.obs["scmamba_empty"]).tolist() == [4]
    assert query.obs["scmamba_cell_type"].iloc[4] == "unknown"
    assert query.obs["scmamba_best_guess"].iloc[4] in annotator.classes
    assert np.isfinite(query.obs["scmamba_ood_score"]).all()
    assert query.n_obs == 90


def test_learning_from_an_empty_cell(cells, quick) -> None:
    X = cells.X.toarray()
    X[[0, 1]] = 0  # one of them is labeled
    cells.X = sparse.csr_matrix(X)
    annotate(cells, labels_key="label")
    assert np.flatnonzero(cells.obs["scmamba_empty"]).tolist() == [0, 1]
    assert cells.obs["scmamba_cell_type"].iloc[0] == "unknown"
    assert cells.obs["scmamba_cell_type"].iloc[1] == cells.obs["label"].iloc[1]


def test_colors_and_categories_stay(cells, quick) -> None:
    cells.uns["label_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    before = cells.obs["label"].copy()
    annotate(cells, labels_key="label", max_error=0.0)
    pd.testing.assert_series_equal(cells.obs["label"], before)
    assert cells.uns["label_colors"] == ["#ff0000", "#00ff00", "#0000ff"]
    assert cells.uns["scmamba_best_guess_colors"] == ["#ff0000", "#00ff00", "#0000ff"]
    names = cells.obs["scmamba_cell_type"].cat.categories.tolist()
    colors = dict(zip(names, cells.uns["scmamba_cell_type_colors"], strict=True))
    assert colors["type_1"] == "#00ff00"
    assert set(names) <= {"type_0", "type_1", "type_2", "unknown"}


@pytest.fixture
def reference() -> ad.AnnData:
    """The labeled cells of the same tissue: other cells, other genes, in another order."""
    both = synthetic(170, 70, 3, n_batches=2, human=True)
    order = np.random.default_rng(3).permutation(60)
    return both[:80, order].copy()


@pytest.fixture
def query() -> ad.AnnData:
    """Genes 10 to 69 where the reference has 0 to 59."""
    return synthetic(170, 70, 3, n_batches=2, human=True)[80:, 10:].copy()


def test_a_reference_on_other_genes(reference, query, assert_untouched, quick) -> None:
    before, truth = reference.copy(), query.obs["cell_type"].astype(str)
    query.obs["cell_type"] = "not read"
    annotator = annotate(query, reference, labels_key="cell_type", batch_key="batch")
    assert_untouched(reference, before)
    assert (query.obs["scmamba_best_guess"].astype(str) == truth).mean() > 0.6
    assert set(annotator.panel.genes) == set(reference.var_names) & set(query.var_names)
    assert len(annotator.panel.genes) == 50
    assert query.uns["scmamba"]["n_labeled"] == 80


def test_order_of_the_reference_is_no_matter_for_what_is_read(reference, query, quick) -> None:
    """Same cells and genes, other order of genes: the same panel and linear view."""
    order = np.random.default_rng(9).permutation(60)
    a = annotate(query.copy(), reference, labels_key="cell_type")
    b = annotate(query.copy(), reference[:, order].copy(), labels_key="cell_type")
    assert set(a.panel.names) == set(b.panel.names)
    columns = [a.panel.names.index(name) for name in b.panel.names]
    np.testing.assert_allclose(a.linear.coef[:, columns], b.linear.coef, atol=1e-3)


def test_a_reference_with_counts_in_a_layer_of_the_query(reference, query, quick) -> None:
    """``layer`` that the reference lacks is looked for in the query alone."""
    expected = annotate(query.copy(), reference, labels_key="cell_type")
    query.layers["raw_counts"] = query.X.copy()
    query.X = query.X.toarray() * 0 + 1.0
    found = annotate(query, reference, labels_key="cell_type", layer="raw_counts")
    np.testing.assert_allclose(found.linear.coef, expected.linear.coef)
    assert list(query.uns["scmamba"]["thresholds"].values()) == expected.thresholds.tolist()


def test_a_reference_without_common_genes(reference, query, assert_untouched, monkeypatch) -> None:
    forbid_training(monkeypatch)
    reference.var_names = [f"other_{i}" for i in range(60)]
    before = query.copy()
    with pytest.raises(ScmambaError, match="0 of 60 genes match"):
        annotate(query, reference, labels_key="cell_type")
    assert_untouched(query, before)


def test_scaled_x_with_raw(cells, quick) -> None:
    """scanpy's usual state: what was learned from counts is found again in raw."""
    plain = cells.copy()
    a = annotate(plain, labels_key="label")
    cells.raw = cells
    cells.X = cells.X.toarray() - cells.X.toarray().mean(0)
    b = annotate(cells, labels_key="label")
    np.testing.assert_array_equal(a.linear.coef, b.linear.coef)
    pd.testing.assert_series_equal(plain.obs["scmamba_confidence"], cells.obs["scmamba_confidence"])


def test_same_seed_same_answer_other_seed_another(cells, fitted) -> None:
    again = annotate(cells, labels_key="label", batch_key="batch", copy=True)[0]
    pd.testing.assert_series_equal(
        again.obs["scmamba_confidence"], fitted[0].obs["scmamba_confidence"]
    )
    np.testing.assert_array_equal(again.obsm["X_scmamba"], fitted[0].obsm["X_scmamba"])
    other = annotate(cells, labels_key="label", batch_key="batch", copy=True, seed=5)[0]
    assert not np.allclose(other.obsm["X_scmamba"], again.obsm["X_scmamba"])
    assert other.uns["scmamba"]["seed"] == 5


def test_generators_are_left_alone(cells) -> None:
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    annotate(cells, labels_key="label")
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()


@pytest.mark.parametrize("column", ["category", "float", "text"])
def test_ways_to_say_unlabeled(cells, column, fitted, quick) -> None:
    labels = cells.obs["label"]
    if column == "text":
        labels = labels.astype(object).where(labels.notna(), "UnKnown")
    elif column == "category":
        labels = labels.cat.add_categories(["Unknown"]).fillna("Unknown")
    else:
        labels = labels.cat.codes.astype(float).where(labels.notna())
    cells.obs["label"] = labels
    found = annotate(cells, labels_key="label", batch_key="batch")
    assert len(found.classes) == 3
    np.testing.assert_allclose(found.linear.coef, fitted[1].linear.coef)


def test_a_class_with_one_cell(cells, quick) -> None:
    cells.obs["label"] = cells.obs["label"].cat.add_categories(["lonely"])
    cells.obs.loc[cells.obs_names[1], "label"] = "lonely"
    annotator = annotate(cells, labels_key="label")
    assert annotator.classes[0] == "lonely"
    assert cells.obs["scmamba_cell_type"].iloc[1] == "lonely"
    assert annotator.scores["n_cells"] == 59


def test_few_labeled_cells(cells, quick) -> None:
    """Two of each of two classes; and one of each, where nothing can be validated."""
    for n in (2, 1):
        table = cells.copy()
        labels = np.full(90, "unknown", dtype=object)
        for kind in ("type_0", "type_1"):
            labels[np.flatnonzero(table.obs["cell_type"] == kind)[:n]] = kind
        table.obs["label"] = labels
        annotator = annotate(table, labels_key="label")
        assert annotator.classes == ("type_0", "type_1")
        assert (annotator.scores == {}) == (n == 1)
        assert table.obs["scmamba_confidence"].notna().all()


def test_repeated_names(cells, fitted) -> None:
    cells.obs_names = ["cell"] * 90
    annotate(cells, labels_key="label", batch_key="batch")
    np.testing.assert_array_equal(
        cells.obs["scmamba_confidence"], fitted[0].obs["scmamba_confidence"]
    )
    cells.var_names = [cells.var_names[1], *cells.var_names[1:]]
    annotator = annotate(cells, labels_key="label")
    assert len(annotator.panel.genes) == 59


def test_one_batch_is_no_batches(cells, quick) -> None:
    cells.obs["one"] = "only"
    a = annotate(cells, labels_key="label", batch_key="one", copy=True)[1]
    b = annotate(cells, labels_key="label", copy=True)[1]
    assert a.scores == b.scores


def test_copy_and_key_added(cells, fitted, assert_untouched) -> None:
    before = cells.copy()
    result, found = annotate(cells, model=fitted[1], copy=True, key_added="mine")
    assert_untouched(cells, before)
    assert found is fitted[1]
    assert {f"mine_{name}" for name in WRITTEN} <= set(result.obs)
    assert "mine" in result.uns and "X_mine" in result.obsm
    assert not [name for name in result.obs if name.startswith("scmamba")]


def test_fewer_genes_than_asked_for_and_fewer_asked_for(cells, quick) -> None:
    found = annotate(cells, labels_key="label", n_top_genes=20)
    assert 20 <= len(found.panel.chosen) < 40
    assert len(found.panel.genes) == 60
    assert found.linear.coef.shape == (3, len(found.panel.chosen))


def nan(a):
    a.X.data[5] = np.nan


def infinite(a):
    a.X.data[5] = np.inf


def negative(a):
    a.X.data[5] = -1


def negative_and_raw(a):
    a.X.data[5] = -1
    a.raw = a


def nothing_expressed(a):
    a.X = sparse.csr_matrix(a.shape, dtype=np.float32)


def batch_missing(a):
    a.obs.loc[a.obs_names[4], "batch"] = np.nan  # a labeled cell


def constant(a):
    a.obs["label"] = np.where(np.arange(90) % 3, "same", "unknown")


def measured(a):
    a.obs["label"] = np.where(np.arange(90) % 3, np.random.default_rng(0).random(90), np.nan)


WRONG = [
    (nan, {}, "NaN or infinite"),
    (infinite, {}, "NaN or infinite"),
    (negative, {}, "negative values"),
    (negative_and_raw, {}, "raw.X holds 1 negative"),
    (negative_and_raw, {"use_raw": False}, "X holds 1 negative"),
    (nothing_expressed, {}, "no gene of the cells"),
    (None, {"layer": "none"}, "layer='none' is not in adata.layers"),
    (None, {"use_raw": True}, "adata.raw is None"),
    (None, {"gene_key": "none"}, "gene_key='none' is not a column"),
    (None, {"labels_key": None}, "nothing says what to learn from: give labels_key="),
    (None, {"labels_key": "none"}, "labels_key='none' is not a column of adata.obs"),
    (None, {"labels_key": "cell_type"}, "every cell .* is labeled"),
    (constant, {}, "holds only 'same'"),
    (measured, {}, "measurements"),
    (None, {"batch_key": "none"}, "batch_key='none' is not a column of adata.obs"),
    (batch_missing, {"batch_key": "batch"}, "missing for 1 labeled cell"),
    (None, {"mode": "magic"}, "mode='magic'; allowed: 'auto', 'probe', 'finetune', 'lora'"),
    (None, {"mode": "probe"}, "needs a pretrained model"),
    (None, {"mode": "lora"}, "needs a pretrained model"),
    (None, {"max_error": 1.5}, "max_error=1.5"),
    (None, {"ood_fpr": -0.1}, "ood_fpr=-0.1"),
    (None, {"seed": -1}, "seed=-1"),
    (None, {"model": 5}, "model=5"),
    (None, {"model": "no/such/folder"}, "no/such/folder"),
    (
        None,
        {"model": "no/such/folder", "labels_key": None},
        "no/such/folder': there is no such folder",
    ),
    (None, {"reference": "cell_type"}, "is a column of adata.obs.*labels_key='cell_type'"),
    (None, {"reference": "my_cells"}, "is no file; give labeled cells.*labels_key="),
    (None, {"key_added": "../a"}, "key_added='../a' cannot be part of a name"),
    (None, {"reference": "reference.h5ad"}, "reference.h5ad does not exist"),
    (None, {"reference": [1]}, "allowed: an AnnData"),
    (None, {"n_top_genes": 0}, "n_top_genes=0"),
]


@pytest.mark.parametrize(
    ("change", "options", "message"), WRONG, ids=[f"{i}" for i in range(len(WRONG))]
)
def test_wrong_input_is_told_before_any_training(
    cells, assert_untouched, monkeypatch, change, options, message
) -> None:
    forbid_training(monkeypatch)
    if change is not None:
        change(cells)
    before = cells.copy()
    with pytest.raises(ScmambaError, match=message):
        annotate(cells, **{"labels_key": "label", **options})
    assert_untouched(cells, before)


def test_no_cells_no_genes_no_anndata(cells, fitted) -> None:
    for options in ({"labels_key": "label"}, {"model": fitted[1]}):
        with pytest.raises(ScmambaError, match="no cells"):
            annotate(cells[:0].copy(), **options)
        with pytest.raises(ScmambaError, match="no genes"):
            annotate(cells[:, :0].copy(), **options)
        with pytest.raises(ScmambaError, match="allowed: an AnnData"):
            annotate(cells.X, **options)
    with pytest.raises(ScmambaError, match="no cells"):
        annotate(cells, cells[:0].copy(), labels_key="label")


@pytest.mark.parametrize("where", ["network", "folds", "prediction"])
def test_ctrl_c_leaves_adata_untouched(cells, assert_untouched, monkeypatch, where) -> None:
    def stop(*args, **options):
        raise KeyboardInterrupt

    place = {
        "network": (networks, "fit_bag"),
        "folds": (cell_module, "fit_linear"),
        "prediction": (Annotator, "_predictions"),
    }
    monkeypatch.setattr(*place[where], stop)
    before = cells.copy()
    with pytest.raises(KeyboardInterrupt):
        annotate(cells, labels_key="label")
    assert_untouched(cells, before)


@pytest.fixture
def pretrained(cells, tiny_model, tmp_path):
    """Folder of a small saved model that knows the genes."""
    return models.save(tiny_model(cells.var_names.tolist()), tmp_path / "small")


@pytest.mark.parametrize(
    ("mode", "as_object"),
    [("probe", False), ("auto", True), ("finetune", True), ("lora", False)],
)
def test_from_a_pretrained_model(cells, pretrained, tmp_path, mode, as_object) -> None:
    training = AnnotationTraining(epochs=12, patience=12, learning_rate=1e-2)
    model = models.load(pretrained) if as_object else pretrained
    before = {k: v.clone() for k, v in model.state_dict().items()} if as_object else {}
    annotator = annotate(cells, labels_key="label", model=model, mode=mode, training=training)
    assert annotator.about["mode"] == ("probe" if mode == "auto" else mode)
    assert cells.uns["scmamba"]["model"] == "small"
    new = cells.obs["label"].isna()
    truth = cells.obs["cell_type"].astype(str)
    assert (cells.obs["scmamba_best_guess"].astype(str) == truth)[new].mean() > 0.6
    annotator.save(tmp_path / "saved")
    pd.testing.assert_frame_equal(
        Annotator.load(tmp_path / "saved").predict(cells), annotator.predict(cells)
    )
    for name, tensor in before.items():  # the model given is left as it is
        assert torch.equal(tensor, model.state_dict()[name])
    assert set(before) == (set(model.state_dict()) if as_object else set())


def test_a_probed_model_of_log_values(cells, tiny_model) -> None:
    """Cells are read in prediction as they were in fitting: in the model's own vocabulary."""
    genes = [*cells.var_names[::-1], "LATER"]
    model = tiny_model(genes, value_type="lognorm")
    annotator = annotate(cells, labels_key="label", model=model, mode="probe")
    rows = np.flatnonzero(cells.obs["label"].notna())
    told = annotator._predict(cells, {}).embedding
    expected = tasks.embed(cells, model, normalize=False, copy=True)[0].obsm["X_scmamba"]
    np.testing.assert_allclose(told[rows], expected[rows], atol=1e-4)


@pytest.fixture
def bag(cells, tiny_model):
    """A model without Mamba layers that knows all genes but two."""
    return tiny_model(
        cells.var_names.tolist()[2:], n_layer=0, value_type="lognorm", value_encoding="product",
        gene_norm=False, input_norm="none", final_norm=False, pool="mean",
    )  # fmt: skip


def test_compact_networks_start_from_a_pretrained_bag(cells, bag, tmp_path) -> None:
    before = {name: tensor.clone() for name, tensor in bag.state_dict().items()}
    annotator = annotate(cells, labels_key="label", model=bag)
    assert annotator.about["mode"] == "initialize"
    assert annotator.about["model"] == (bag.name or "compact")
    assert annotator.reads_panel
    new = cells.obs["label"].isna()
    truth = cells.obs["cell_type"].astype(str)
    assert (cells.obs["scmamba_best_guess"].astype(str) == truth)[new].mean() > 0.8
    annotator.save(tmp_path / "saved")
    pd.testing.assert_frame_equal(
        Annotator.load(tmp_path / "saved").predict(cells), annotator.predict(cells)
    )
    for name, tensor in before.items():
        assert torch.equal(tensor, bag.state_dict()[name])


def test_only_bags_of_log_values_start_compact_networks(cells, pretrained, tiny_model) -> None:
    for model in (pretrained, tiny_model(cells.var_names.tolist(), value_type="lognorm")):
        with pytest.raises(ScmambaError, match="mode='initialize' is for models without Mamba"):
            annotate(cells, labels_key="label", model=model, mode="initialize")


def test_pretrained_vectors_span_the_directions_in_which_cells_differ(cells, bag) -> None:
    names = cells.var_names.tolist()
    values = sparse.csr_matrix(np.log1p(cells.X.toarray() if sparse.issparse(cells.X) else cells.X))
    vectors = pretrained_vectors(bag, names, values, 4)
    assert not vectors[:2].any()  # genes that the model does not know
    table = bag.gene_embedding.embedding.weight.detach().numpy()
    whole = np.zeros((len(names), table.shape[1]))
    whole[2:] = table[bag.vocab.index(names[2:])]
    projected = PCA(4).fit(values @ whole).explained_variance_
    np.testing.assert_allclose(np.var(values @ vectors, axis=0, ddof=1), projected, rtol=1e-3)
    half = start_vectors(fit_axes(values, 8), 8, bag, names, values)
    assert half.shape == (len(names), 8)
    np.testing.assert_allclose(
        np.std(values @ half[:, :4]), np.std(values @ half[:, 4:]), rtol=1e-3
    )


@pytest.mark.parametrize("lora", [False, True])
def test_finetuning_learns_and_leaves_the_model_given(cells, tiny_model, lora) -> None:
    model = tiny_model(cells.var_names.tolist())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    read = expression(cells)
    codes = cells.obs["cell_type"].cat.codes.to_numpy().astype(np.int64)
    data = replace(cell_data(model, read, model_genes(model, read)), labels=codes)
    examples = cell_module.CellExamples(None, codes, 3, None, None, 0, model=model, data=data)
    training = AnnotationTraining(epochs=20, learning_rate=1e-2).for_finetuning("lora")
    found = Finetune(training, 0, lora).fit(examples, np.arange(90), None, "").component
    assert (examples.logits(found, np.arange(90)).argmax(1) == codes).mean() > 0.7
    after = found.model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    projections = {name for name in before if "_proj.weight" in name}
    assert projections <= changed
    assert ("gene_embedding.embedding.weight" in changed) != lora
    assert any("conv1d" in name for name in changed) != lora
    for name, tensor in before.items():
        assert torch.equal(tensor, model.state_dict()[name])


def test_a_probed_model_is_embedded_as_embed_does(cells, tiny_model) -> None:
    model = tiny_model(cells.var_names[::-1].tolist())
    annotate(cells, labels_key="label", model=model, mode="probe")
    expected = tasks.embed(cells, model, normalize=False, copy=True)[0].obsm["X_scmamba"]
    np.testing.assert_allclose(cells.obsm["X_scmamba"], expected, atol=1e-4)


def test_a_pretrained_model_of_other_genes(cells, tiny_model, assert_untouched) -> None:
    before = cells.copy()
    with pytest.raises(ScmambaError, match="0 of 60 genes match"):
        annotate(cells, labels_key="label", model=tiny_model([f"g{i}" for i in range(60)]))
    assert_untouched(cells, before)


def test_a_pretrained_model_with_a_domain_norm(cells, tiny_model, assert_untouched) -> None:
    """It would need the domain of each new cell: told before any work, or done right."""
    model = tiny_model(cells.var_names.tolist(), input_norm="domain", n_domains=3, n_batches=3)
    before = cells.copy()
    with pytest.raises(ScmambaError, match="domain norm"):
        annotate(cells, labels_key="label", model=model, batch_key="batch")
    assert_untouched(cells, before)


@pytest.mark.slow
def test_many_processes_say_what_one_says(cells, fitted, monkeypatch) -> None:
    monkeypatch.setattr(settings, "n_jobs", 2)
    annotator = annotate(cells, labels_key="label", batch_key="batch")
    assert annotator.scores == fitted[1].scores
    np.testing.assert_array_equal(
        cells.obs["scmamba_confidence"], fitted[0].obs["scmamba_confidence"]
    )


def test_noise_is_given_no_share(cells, monkeypatch) -> None:
    """A deep view that says nothing cannot cost the linear one its right answers."""
    usual = cell_module.CellExamples.from_scratch

    def noisy(self, *arguments):
        found = usual(self, *arguments)
        for component in filter(None, (found.component, found.no_mamba)):
            torch.nn.init.zeros_(component.model.heads["class"].out.weight)
            torch.nn.init.zeros_(component.model.heads["class"].out.bias)
        return found

    expected = annotate(cells, labels_key="label", copy=True)[1].scores
    monkeypatch.setattr(cell_module.CellExamples, "from_scratch", noisy)
    found = annotate(cells, labels_key="label", copy=True, training=replace(TINY, n_members=1))[1]
    assert found.fusion.neural_weight == 0
    assert found.scores["both_accuracy"] >= expected["linear_accuracy"]


def test_order_of_genes_is_no_matter_for_what_is_learned(reference, query) -> None:
    order = np.random.default_rng(5).permutation(reference.n_vars)
    results = []
    for one in (reference, reference[:, order].copy()):
        cells = query.copy()
        annotate(cells, one, labels_key="cell_type", n_top_genes=30)
        results.append(cells)
    first, second = (cells.obs for cells in results)
    assert first["scmamba_cell_type"].equals(second["scmamba_cell_type"])
    for name in ("scmamba_confidence", "scmamba_ood_score"):
        np.testing.assert_allclose(first[name], second[name], atol=1e-6)
    np.testing.assert_allclose(*(one.obsm["X_scmamba"] for one in results), atol=1e-5)


@pytest.mark.parametrize("unit", ["log2", "per million", "nearly whole"])
def test_reference_and_query_in_other_units_are_brought_to_one(reference, query, quick, unit):
    """What the same counts in another unit are called, they are called too."""
    counts = query.X.toarray()
    million = counts / np.maximum(counts.sum(1, keepdims=True), 1) * 1e6
    values = {"log2": np.log2(1 + million), "per million": million, "nearly whole": counts * 0.9999}
    fitted = annotate(query.copy(), reference, labels_key="cell_type")
    other = query.copy()
    other.X = values[unit].astype(np.float32)
    first, second = fitted.predict(query), fitted.predict(other)
    np.testing.assert_allclose(first["confidence"], second["confidence"], atol=1e-3)
    assert fitted.about["unit"] == "counts"


def test_the_time_limit_is_kept_and_what_it_cut_is_told(cells, tmp_path) -> None:
    training = AnnotationTraining(epochs=100_000, max_minutes=0.02, n_members=2, width=16)
    annotator = annotate(cells, labels_key="label", training=training)
    assert annotator.about["max_minutes"] == 0.02
    assert "of 100000 epochs" in annotator.about["cut"]
    assert annotator.about["minutes"] < 1
    annotator.save(tmp_path / "saved")
    assert Annotator.load(tmp_path / "saved").about == annotator.about


def test_mamba_layers_are_tried_in_the_first_fold_alone(cells, monkeypatch) -> None:
    """Where they do not help there, no other network has them."""
    stages = []
    usual = networks.LabelStages.train_stage

    def train_stage(self, network, stage):
        stages.append(stage)
        return usual(self, network, stage)

    monkeypatch.setattr(networks.LabelStages, "train_stage", train_stage)
    monkeypatch.setattr(supervised.OutOfFold, "mamba_helps", False)
    annotator = annotate(cells, labels_key="label", training=TINY)
    assert stages == ["bag", "full", *["bag"] * 4]
    assert annotator.neural.model.config.encoder.n_layer == 0
    stages.clear()
    monkeypatch.setattr(supervised.OutOfFold, "mamba_helps", True)
    annotator = annotate(cells, labels_key="label", training=TINY)
    assert stages == ["bag", "full"] * 5
    assert annotator.neural.model.config.encoder.n_layer == 1
    assert "no_mamba_accuracy" in annotator.scores
