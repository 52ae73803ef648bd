"""Batches brought together on made-up cells: what is written, mapped, saved and refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import anndata as ad
import numpy as np
import pytest
import scanpy as sc
import torch
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.datasets import synthetic
from scmamba.models import CellModel
from scmamba.stream import CellData
from scmamba.tasks import IntegrationObjectives, IntegrationTraining, Integrator
from scmamba.tasks import integrate as function
from scmamba.tasks._integration import learning
from scmamba.tasks._integration.criteria import mixing
from scmamba.tasks._integration.matrix import MatrixBatches, matrix_of
from scmamba.tasks._integration.network import GENE_SCALE
from scmamba.tasks._integration_request import IntegrationRequest
from scmamba.tokens.cells.tokenize import tokenize

TINY = IntegrationTraining(
    epochs=4, mamba_epochs=1, batch_size=32, learning_rate=5e-3, width=16, d_state=4, n_latent=5
)
LAYERED = replace(TINY, n_layer=1)
"""With a Mamba layer, which needs no evidence as it was asked for."""
BAG = {
    "n_layer": 0, "value_type": "lognorm", "value_encoding": "product", "gene_norm": False,
    "input_norm": "none", "final_norm": False, "pool": "mean",
}  # fmt: skip


def integrate(adata: ad.AnnData, batch_key: str = "batch", **options: Any) -> Any:
    """The task with a training that takes a moment, unless nothing is trained."""
    saved = isinstance(options.get("model"), (Integrator, str))
    options.setdefault("training", None if saved else TINY)
    return function(adata, batch_key, **options)


@pytest.fixture
def batched() -> ad.AnnData:
    """150 cells of 60 genes, 3 types, 3 batches; counts."""
    return synthetic(150, 60, 3, n_batches=3, human=True)


@pytest.fixture(scope="module")
def once() -> Iterator[tuple[ad.AnnData, Integrator]]:
    """Integrated cells with their labels kept for transfer, and the integrator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "verbosity", "error")
        patch.setattr(settings, "device", "cpu")
        torch.set_num_threads(1)
        cells = synthetic(150, 60, 3, n_batches=3, human=True)
        yield integrate(
            cells,
            labels_key="cell_type",
            training=LAYERED,
            correct=True,
            objectives=IntegrationObjectives(cls=0, supcon=0),
            copy=True,
        )


def test_what_is_written(once) -> None:
    adata, fitted = once
    assert adata.obsm["X_scmamba"].shape == (150, 5)
    assert np.isfinite(adata.obsm["X_scmamba"]).all()
    np.testing.assert_array_equal(adata.obsm["X_scmamba"], fitted.reference.embedding)
    about = adata.uns["scmamba"]
    assert (about["task"], about["corrected"], about["corrected_as"]) == (
        "integrate",
        "counts",
        "average",
    )
    assert about["batches"] == "batch_0, batch_1, batch_2"
    assert set(fitted.history["stage"]) == {"bag", "full"}
    for name in ("nb", "kl", "contrast", "dab"):
        assert fitted.history[f"train_{name}"].notna().all()
    assert "train_ecs" not in fitted.history


def test_batches_mix_and_the_rest_stays(batched) -> None:
    before = batched.copy()
    integrate(batched)
    codes = batched.obs["batch"].cat.codes.to_numpy().astype(np.int64)
    assert mixing(batched.obsm["X_scmamba"], codes) > 0.9
    assert (batched.X != before.X).nnz == 0
    assert list(batched.obs) == list(before.obs)


def test_results_survive_a_file(once, tmp_path) -> None:
    adata, _ = once
    adata.write_h5ad(tmp_path / "cells.h5ad")
    read = ad.read_h5ad(tmp_path / "cells.h5ad")
    np.testing.assert_array_equal(read.obsm["X_scmamba"], adata.obsm["X_scmamba"])
    assert read.uns["scmamba"]["criteria"]["bag"]["mixing"] > 0


def test_same_seed_same_result_other_seed_another(batched) -> None:
    first, again, other = (integrate(batched, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first.reference.embedding, again.reference.embedding)
    assert not np.allclose(first.reference.embedding, other.reference.embedding)


def test_corrected_counts_keep_the_depth_and_have_one_batch(once) -> None:
    adata, fitted = once
    layer = adata.layers["scmamba_corrected"]
    assert sparse.issparse(layer) and layer.shape == adata.shape
    depth = np.asarray(adata.X.sum(1)).ravel()
    np.testing.assert_allclose(np.asarray(layer.sum(1)).ravel(), depth, rtol=0.05)
    one = fitted.corrected(adata.obsm["X_scmamba"], depth, "batch_1").toarray()
    parts = [
        fitted.corrected(adata.obsm["X_scmamba"], depth, name).toarray() for name in fitted.batches
    ]
    assert not np.allclose(one, parts[0])
    mean = np.mean(parts, axis=0)
    columns = [list(adata.var_names).index(name) for name in fitted.panel.names]
    assert adata.var["scmamba_decoded"].to_numpy().nonzero()[0].tolist() == sorted(columns)
    np.testing.assert_allclose(layer.toarray()[:, columns], mean, atol=0.02, rtol=1e-3)


def test_a_cell_is_decoded_alike_whichever_cells_stand_beside_it(once) -> None:
    adata, fitted = once
    cells, depth = adata.obsm["X_scmamba"], np.full(150, 100.0)
    some = fitted.corrected(cells[7:14], depth[7:14]).toarray()
    whole = fitted.corrected(np.tile(cells, (8, 1)), np.tile(depth, 8)).toarray()  # two blocks
    for start in (0, 1050):
        np.testing.assert_allclose(whole[start:][7:14], some, rtol=1e-4, atol=1e-5)


def test_genes_that_were_not_learned_from_stay_empty(batched) -> None:
    fitted = integrate(batched, n_top_genes=20, correct="batch_2")
    assert batched.var["scmamba_decoded"].sum() == 20
    filled = np.flatnonzero(np.asarray(batched.layers["scmamba_corrected"].sum(0)).ravel())
    assert {batched.var_names[i] for i in filled} <= set(fitted.panel.names)
    assert len(fitted.panel.names) == 20


def test_no_counts_fall_back_to_bins(batched, told) -> None:
    sc.pp.normalize_total(batched)
    sc.pp.log1p(batched)
    fitted = integrate(
        batched, correct=True, objectives=IntegrationObjectives(gep=0.01, explicit_zero=True)
    )
    assert "holds no counts but log1p values" in told.text
    assert fitted.likelihood == batched.uns["scmamba"]["corrected"] == "bins"
    layer = batched.layers["scmamba_corrected"]
    assert layer.min() >= 0 and layer.max() <= 50
    losses = fitted.history
    assert {"train_mvc", "train_gep"} <= set(losses) and "train_nb" not in losses
    mapped = fitted.map(batched, "batch")
    np.testing.assert_allclose(mapped.embedding, fitted.reference.embedding, atol=1e-4)


@pytest.mark.parametrize("name", ["nb", "kl", "contrast", "dab", "cls", "supcon"])
def test_each_objective_can_be_switched_off(batched, name) -> None:
    fitted = integrate(
        batched, labels_key="cell_type", objectives=IntegrationObjectives(**{name: 0.0})
    )
    on = {"nb", "kl", "contrast", "dab", "cls", "supcon"} - {name}
    assert {
        c.removeprefix("train_") for c in fitted.history if c not in ("train_loss", "stage")
    } == on
    assert np.isfinite(batched.obsm["X_scmamba"]).all()
    if name == "nb":
        with pytest.raises(ScmambaError, match="decodes no expression"):
            fitted._check_decodes("average")


@pytest.mark.parametrize("name", ["gep", "mvc", "ecs"])
def test_each_objective_that_is_off_can_be_switched_on(batched, name) -> None:
    fitted = integrate(batched, objectives=IntegrationObjectives(**{name: 0.1}))
    assert fitted.history[f"train_{name}"].notna().all()
    assert fitted.about["weights"][name] == 0.1


@pytest.mark.parametrize("n_layer", [0, 1])
def test_mamba_layers_as_asked_for(batched, n_layer) -> None:
    fitted = integrate(batched, training=replace(TINY, n_layer=n_layer))
    assert fitted.model.config.encoder.n_layer == fitted.about["mamba_layers"] == n_layer
    assert ("full" in fitted.about["criteria"]) == bool(n_layer)
    assert fitted.bag.config.encoder.n_layer == 0


def test_without_held_out_cells_no_layers_are_added(batched) -> None:
    """Of so few cells none are held out, so that nothing speaks for Mamba layers."""
    fitted = integrate(batched)
    assert fitted.about["mamba_layers"] == 0
    assert set(fitted.history["stage"]) == {"bag"}
    assert fitted.about["criteria"]["bag"].keys() == {"held_out_fit", "mixing"}


def test_partly_labeled_cells_are_a_term(batched) -> None:
    batched.obs["some"] = batched.obs["cell_type"].where(np.arange(150) % 3 == 0)
    fitted = integrate(batched, labels_key="some", training=LAYERED)
    assert fitted.history["train_cls"].iloc[-1] < fitted.history["train_cls"].iloc[0]
    assert (fitted.reference.labels >= 0).sum() == 50


def test_fitted_cells_map_onto_themselves_whatever_their_order(once) -> None:
    adata, fitted = once
    order = np.random.default_rng(0).permutation(150)
    mapped = fitted.map(adata[order].copy()[:, ::-1].copy(), "batch")
    np.testing.assert_allclose(mapped.embedding, adata.obsm["X_scmamba"][order], atol=1e-4)
    assert mapped.normed_as == {f"batch_{i}": f"batch_{i}" for i in range(3)}


def test_a_new_batch_is_mapped_with_labels_and_distance(once, told) -> None:
    told.set_level("INFO", "scmamba")
    _, fitted = once
    new = synthetic(150, 60, 3, n_batches=3, human=True)
    new.obs["batch"] = "new"
    integrate(new, model=fitted)
    assert re.search(r"new batches are normalized: new by (its own statistics|those)", told.text)
    assert new.obsm["X_scmamba"].shape == (150, 5)
    assert 0.5 < new.obs["scmamba_distance"].median() < 2
    right = new.obs["scmamba_cell_type"].astype(str) == new.obs["cell_type"].astype(str)
    assert right.mean() > 0.5  # a third by chance
    assert new.obs["scmamba_confidence"].between(0, 1).all()


def test_cells_from_elsewhere_are_far(once) -> None:
    adata, fitted = once
    near = fitted.reference.near(adata.obsm["X_scmamba"] + 50)
    assert near.distance.min() > 5


def test_saved_and_loaded(once, tmp_path) -> None:
    adata, fitted = once
    loaded = Integrator.load(fitted.save(tmp_path / "folder"))
    again = adata.copy()
    integrate(again, model=str(tmp_path / "folder"))
    np.testing.assert_allclose(again.obsm["X_scmamba"], adata.obsm["X_scmamba"], atol=1e-5)
    assert (loaded.batches, loaded.classes, loaded.likelihood) == (
        fitted.batches,
        fitted.classes,
        fitted.likelihood,
    )
    text = (tmp_path / "folder" / "integrator.json").read_text()
    (tmp_path / "folder" / "integrator.json").write_text(text.replace("batch_1", "batch_9"))
    with pytest.raises(ScmambaError, match="damaged or changed"):
        Integrator.load(tmp_path / "folder")


def test_zero_shot_trains_nothing(batched, tiny_model: Callable[..., CellModel], tmp_path) -> None:
    model = tiny_model(list(batched.var_names))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    fitted = integrate(batched, labels_key="cell_type", model=model, training=None)
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    np.testing.assert_allclose(np.linalg.norm(batched.obsm["X_scmamba"], axis=1), 1, rtol=1e-5)
    loaded = Integrator.load(fitted.save(tmp_path / "z"))
    mapped = loaded.map(batched[:20].copy(), "batch")
    np.testing.assert_allclose(mapped.embedding, batched.obsm["X_scmamba"][:20], atol=1e-5)
    with pytest.raises(ScmambaError, match="needs a model that decodes expression"):
        integrate(batched, model=model, correct=True, training=None)


def test_a_norm_for_each_batch_knows_its_own_batches_alone(
    batched, tiny_model: Callable[..., CellModel]
) -> None:
    model = tiny_model(list(batched.var_names), input_norm="domain", n_domains=3)
    fitted = integrate(batched, model=model, training=None)
    batched.obs["other"] = "new"
    with pytest.raises(ScmambaError, match="it has none for 'new'"):
        fitted.map(batched, "other")
    with pytest.raises(ScmambaError, match="tied to them"):
        integrate(batched, model=model)


def test_fine_tuning_starts_from_the_model_and_leaves_it(
    batched, tiny_model: Callable[..., CellModel]
) -> None:
    model = tiny_model(list(batched.var_names))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    fitted = integrate(batched, model=model, correct=True)
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    assert fitted.model.config.encoder.n_layer == model.config.encoder.n_layer
    assert set(fitted.history["stage"]) == {"fine-tuning"}
    assert batched.layers["scmamba_corrected"].nnz
    mapped = fitted.map(batched, "batch")
    np.testing.assert_allclose(mapped.embedding, batched.obsm["X_scmamba"], atol=1e-4)


@pytest.mark.parametrize("n_layer", [0, 1])
def test_a_compact_network_starts_from_a_pretrained_bag_of_genes(
    batched, tiny_model: Callable[..., CellModel], tmp_path, monkeypatch, n_layer
) -> None:
    names = batched.var_names.tolist()
    bag = tiny_model(names[2:], **BAG)
    before = {name: t.clone() for name, t in bag.state_dict().items()}
    started = []
    train = learning.train_staged
    monkeypatch.setattr(
        learning, "train_staged", lambda own, n: started.append(own.build(0)) or train(own, n)
    )
    training = replace(TINY, n_layer=n_layer)
    fitted = integrate(batched, model=bag, training=training, correct=True)
    assert all(torch.equal(before[name], t) for name, t in bag.state_dict().items())
    assert fitted.about["mode"] == "initialize" and fitted.reads_panel
    assert fitted.model.config.encoder.n_layer == n_layer
    vectors = started[0].gene_embedding.embedding.weight.detach().numpy()[: len(names)]
    own, learned = vectors[:, :8], vectors[:, 8:16]
    unknown = [fitted.panel.names.index(name) for name in names[:2]]
    assert own[unknown].any(1).all() and not learned[unknown].any()
    assert np.sqrt(np.mean(vectors[:, :16] ** 2)) == pytest.approx(GENE_SCALE, rel=1e-3)
    table = bag.gene_embedding.embedding.weight.detach().numpy()
    known = np.setdiff1d(np.arange(len(names)), unknown)
    theirs = table[bag.vocab.index([fitted.panel.names[i] for i in known])]
    turned = np.linalg.lstsq(theirs, learned[known], rcond=None)[0]
    np.testing.assert_allclose(theirs @ turned, learned[known], atol=1e-4)
    mapped = Integrator.load(fitted.save(tmp_path / "saved")).map(batched, "batch")
    np.testing.assert_allclose(mapped.embedding, batched.obsm["X_scmamba"], atol=1e-4)


def test_a_bag_of_genes_starts_a_network_without_training_given(
    batched, tiny_model: Callable[..., CellModel]
) -> None:
    bag = tiny_model(batched.var_names.tolist(), **BAG)
    for options in ({}, {"training": TINY}, {"objectives": IntegrationObjectives(ecs=1)}):
        request = _request(model=bag, correct=True, **options)
        assert request.mode == "initialize"
        whole = request.training_for(3_800)
        assert whole.epochs == (4 if "training" in options else 33)
    layered = tiny_model(batched.var_names.tolist(), value_type="lognorm")
    assert _request(model=layered).mode == "zero-shot"
    assert _request(model=layered, training=IntegrationTraining()).mode == "finetune"
    assert _request().mode == "scratch" and _request().training_for(3_800).epochs == 100


def _request(**options: Any) -> IntegrationRequest:
    given = dict.fromkeys(("labels_key", "model", "layer", "gene_key", "objectives", "training"))
    rest = {"n_top_genes": None, "correct": False, "key_added": "scmamba", "seed": 0}
    return IntegrationRequest.of(batch_key="batch", **{**given, **rest, **options})


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Warnings of the package."""
    caplog.set_level("WARNING", "scmamba")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_a_batch_of_one_cell_and_one_of_another_type_are_told(batched, told) -> None:
    names = batched.obs["batch"].astype(object)
    names.iloc[0] = "lonely"
    batched.obs["batch"] = names
    batched.obs["type"] = batched.obs["cell_type"].astype(object)
    batched.obs.loc[batched.obs["batch"] == "batch_2", "type"] = "other"
    fitted = integrate(batched, labels_key="type")
    assert "fewer than 10 cells, normed much like the others: lonely" in told.text
    assert "without a cell type in common with any other: batch_2" in told.text
    assert np.isfinite(batched.obsm["X_scmamba"]).all()
    assert len(fitted.batches) == 4


def test_an_empty_cell_is_flagged(batched) -> None:
    counts = batched.X.tolil()
    counts[3] = 0
    batched.X = counts.tocsr()
    integrate(batched)
    assert batched.obs["scmamba_empty"].to_numpy().nonzero()[0].tolist() == [3]
    assert np.isfinite(batched.obsm["X_scmamba"]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_key": "no"}, "batch_key='no' is not a column"),
        ({"batch_key": "one"}, "holds one batch only"),
        ({"batch_key": "holes"}, "is missing for 1 cell"),
        ({"batch_key": "names"}, "150 different values"),
        ({"labels_key": "no"}, "labels_key='no' is not a column"),
        ({"training": 3}, "training=3; give a scmamba.tasks.IntegrationTraining"),
        ({"objectives": {"dab": 1}}, "IntegrationObjectives"),
        ({"correct": None}, "correct=None; give True, False or a batch"),
        ({"key_added": "a/b"}, "key_added='a/b' cannot be part of a name"),
        ({"n_top_genes": 0}, "n_top_genes=0"),
        ({"seed": -1}, "seed=-1"),
        (
            {"correct": True, "objectives": IntegrationObjectives(nb=0)},
            "nb=0 leaves it out",
        ),
        ({"model": "there/is/none"}, "there is no such folder"),
        ({"layer": "x"}, "layer='x' is not in adata.layers"),
        ({"correct": "nobody"}, "batch='nobody' was not fitted"),
    ],
)
def test_bad_input_changes_nothing(batched, assert_untouched, change, message) -> None:
    batched.obs["one"] = "a"
    batched.obs["names"] = list(batched.obs_names)
    batched.obs["holes"] = batched.obs["batch"].where(np.arange(150) > 0)
    before = batched.copy()
    with pytest.raises(ScmambaError, match=message):
        integrate(batched, **{"batch_key": "batch", **change})
    assert_untouched(batched, before)


def test_other_values_than_fitted_are_refused(once) -> None:
    adata, fitted = once
    logs = adata.copy()
    sc.pp.log1p(logs)
    with pytest.raises(ScmambaError, match="was fitted on counts"):
        fitted.map(logs, "batch")


def test_what_training_reads_is_refused_where_nothing_is_trained(once) -> None:
    adata, fitted = once
    for given in ({"training": TINY}, {"objectives": IntegrationObjectives()}):
        with pytest.raises(ScmambaError, match="cells are mapped into without training"):
            integrate(adata.copy(), model=fitted, **given)
    with pytest.raises(ScmambaError, match="a pretrained model keeps its layers"):
        integrate(adata.copy(), model=fitted.model, training=replace(TINY, n_layer=1))


def test_order_of_genes_is_no_matter(batched) -> None:
    order = np.random.default_rng(5).permutation(batched.n_vars)
    other = batched[:, order].copy()
    integrate(batched)
    integrate(other)
    np.testing.assert_allclose(batched.obsm["X_scmamba"], other.obsm["X_scmamba"], atol=1e-5)


def test_layers_only_where_asked_for(batched) -> None:
    assert IntegrationTraining().for_n(5_000).n_layer is None
    fitted = integrate(batched)
    assert fitted.model.config.is_bag and set(fitted.about["criteria"]) == {"bag"}


def test_gene_subsets_of_a_matrix_share_the_counts_of_the_cell(once) -> None:
    adata, fitted = once
    vocab = fitted.model.vocab
    assert vocab is not None
    tokens = tokenize(adata.X.tocsr(), np.arange(60), n_bins=None)
    ids = adata.obs["batch"].cat.codes.to_numpy().astype(np.int64)
    data = CellData(tokens, vocab, 0.0, 0.0, batch_ids=ids)
    values = matrix_of(data)
    np.testing.assert_array_equal(values.toarray(), adata.X.toarray())
    batches = MatrixBatches(values, adata.X.tocsr(), data, 0.5, torch.device("cpu"))
    found = list(batches.epoch(np.arange(150), 40, np.random.default_rng(0)))
    assert [len(one.rows) for one in found] == [80, 80, 80]
    rows = torch.cat([one.rows[:40] for one in found])
    assert len(rows.unique()) == 120
    for one in found:
        assert torch.equal(one.rows[:40], one.rows[40:]) and one.counts is not None
        whole = torch.from_numpy(adata.X[one.rows.numpy()].toarray())
        assert torch.equal(one.counts, whole[:40].float())
        twice = one.counts.repeat(2, 1)
        assert torch.equal(one.values[one.values > 0], twice[one.values > 0])
        kept = (one.values > 0).sum() / (twice > 0).sum()
        assert 0.45 < kept < 0.55
        assert not torch.equal(one.values[:40], one.values[40:])


def test_time_limit_ends_training_on_a_matrix(batched) -> None:
    fitted = integrate(batched, training=replace(TINY, epochs=500_000, max_minutes=0.01))
    assert 0 < len(fitted.history) < 500_000
    assert "epochs" in fitted.about["cut"]
