"""Embeddings are the model's own, and depend on nothing but each cell."""

from __future__ import annotations

import logging
import re

import anndata as ad
import numpy as np
import pytest
import torch
from scipy import sparse

from scmamba import models
from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.tasks import _forward, embed
from scmamba.tokens import tokenize

TOLERANCE = {"rtol": 0, "atol": 1e-4}


@pytest.fixture
def model(cells, tiny_model):
    return tiny_model(cells.var_names.tolist())


def embedded(adata, model, **options):
    return embed(adata, model, copy=True, **options)[0].obsm["X_scmamba"]


@pytest.fixture
def golden_cells(golden):
    """Cells whose expression bins to what the golden file holds: values are bins, distinct."""
    net = models.load(golden / "scmamba2_tiny")
    genes = list(net.vocab.genes)
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (9, len(genes))) * rng.integers(1, 9, (9, len(genes)))
    adata = ad.AnnData(sparse.csr_matrix(counts, dtype=np.float32))
    adata.var_names = genes
    return adata


def test_golden_model_is_run_as_by_hand(golden, golden_cells) -> None:
    """One cell at a time, tokens made here, against batches of the task."""
    net = models.load(golden / "scmamba2_tiny")
    found = embedded(golden_cells, golden / "scmamba2_tiny", normalize=False)
    for i, row in enumerate(golden_cells.X.toarray()):
        genes = np.flatnonzero(row)
        ids = net.vocab.index(golden_cells.var_names[genes])
        order = np.argsort(ids)
        bins = np.digitize(row[genes], np.quantile(row[genes], np.linspace(0, 1, 50)))
        values = torch.tensor([[net.config.encoder.cls_value, *bins[order]]], dtype=torch.float32)
        tokens = torch.tensor([[net.vocab.cls_id, *ids[order]]])
        with torch.no_grad():
            expected = net.eval()(tokens, values).cell_embedding[0]
        np.testing.assert_allclose(found[i], expected, **TOLERANCE)
    assert net.config.encoder.cls_value == net.config.encoder.pad_value  # zero-shot


def test_normalized_embeddings_have_length_one(cells, model) -> None:
    plain, unit = embedded(cells, model, normalize=False), embedded(cells, model)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6
    )
    assert np.unique(unit.round(4), axis=0).shape[0] == 90  # cells differ


def test_batch_size_changes_nothing(cells, model, monkeypatch) -> None:
    expected = embedded(cells, model)
    monkeypatch.setattr(_forward, "TOKEN_BUDGET", 1)  # one cell a batch
    np.testing.assert_allclose(embedded(cells, model), expected, **TOLERANCE)


def test_padding_is_told(cells, model, monkeypatch, caplog) -> None:
    monkeypatch.setattr(logging.getLogger("scmamba"), "propagate", True)
    monkeypatch.setattr(_forward, "TOKEN_BUDGET", 300)
    with caplog.at_level("DEBUG", logger="scmamba"):
        embed(cells, model, copy=True)
    (told,) = {r.message for r in caplog.records if "padding" in r.message}
    assert re.fullmatch(r"Embedding cells: 90 in \d batches, padding [1-9]\.\d%", told)


def test_order_and_company_of_cells_change_nothing(cells, model) -> None:
    expected = embedded(cells, model, max_length=12)
    order = np.random.default_rng(0).permutation(90)
    np.testing.assert_allclose(
        embedded(cells[order], model, max_length=12), expected[order], **TOLERANCE
    )
    np.testing.assert_allclose(embedded(cells[:4], model, max_length=12), expected[:4], **TOLERANCE)


def test_order_of_genes_changes_nothing(cells, model) -> None:
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(
        embedded(cells[:, order], model), embedded(cells, model), **TOLERANCE
    )


def test_threads_change_nothing(cells, model) -> None:
    expected = embedded(cells, model)
    for n in (2, 4):
        torch.set_num_threads(n)
        np.testing.assert_allclose(embedded(cells, model), expected, **TOLERANCE)


def test_twice_is_the_same(cells, model) -> None:
    state = torch.get_rng_state()
    first = embedded(cells, model, max_length=10)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(8)
    np.testing.assert_array_equal(first, embedded(cells, model, max_length=10))
    assert not np.allclose(first, embedded(cells, model, max_length=10, seed=1))


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X.toarray(),
        sparse.csc_matrix,
        lambda X: X.astype(np.int32),
        lambda X: X.astype(np.float64),
        lambda X: X.toarray().astype(np.int64),
    ],
    ids=["dense", "csc", "int32", "float64", "dense int64"],
)
def test_forms_of_x(cells, model, form) -> None:
    expected = embedded(cells, model)
    cells.X = form(cells.X)
    np.testing.assert_array_equal(embedded(cells, model), expected)


def test_a_view_is_written_and_its_parent_is_not(cells, model, assert_untouched) -> None:
    before = cells.copy()
    view = cells[10:30]
    embed(view, model)
    np.testing.assert_allclose(view.obsm["X_scmamba"], embedded(cells, model)[10:30], **TOLERANCE)
    assert_untouched(cells, before)


@pytest.mark.parametrize("copy", [False, True])
def test_backed_cells(cells, model, tmp_path, copy) -> None:
    expected = embedded(cells, model)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    content = (tmp_path / "cells.h5ad").read_bytes()
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    result = embed(backed, model, copy=copy)
    assert ("X_scmamba" in backed.obsm) != copy
    np.testing.assert_array_equal((result[0] if copy else backed).obsm["X_scmamba"], expected)
    backed.file.close()
    assert (tmp_path / "cells.h5ad").read_bytes() == content


def test_an_empty_cell_is_cls_alone(cells, model) -> None:
    X = cells.X.toarray()
    X[7] = 0
    cells.X = sparse.csr_matrix(X)
    embed(cells, model, normalize=False)
    assert np.flatnonzero(cells.obs["scmamba_empty"]).tolist() == [7]
    tokens = torch.tensor([[model.vocab.cls_id]])
    with torch.no_grad():
        alone = model(tokens, torch.full((1, 1), model.config.encoder.cls_value)).cell_embedding[0]
    np.testing.assert_allclose(cells.obsm["X_scmamba"][7], alone, **TOLERANCE)


def test_no_flag_without_empty_cells(cells, model) -> None:
    embed(cells, model)
    assert "scmamba_empty" not in cells.obs


def test_only_empty_cells(cells, model) -> None:
    cells.X = sparse.csr_matrix(cells.shape, dtype=np.float32)
    embed(cells, model)
    assert cells.obs["scmamba_empty"].all()
    assert np.isfinite(cells.obsm["X_scmamba"]).all()


def test_gene_embeddings(cells, model) -> None:
    cells.var_names = ["no_such_gene", *cells.var_names[1:]]
    embed(cells, model, gene_embeddings=True)
    table = cells.varm["scmamba_gene_embedding"]
    assert np.isnan(table[0]).all()
    ids = torch.from_numpy(model.vocab.index(cells.var_names[1:]))
    with torch.no_grad():
        np.testing.assert_allclose(table[1:], model.gene_embedding(ids), atol=1e-6)


def test_gene_key(cells, model) -> None:
    expected = embedded(cells, model)
    cells.var["symbol"] = cells.var_names
    cells.var_names = [f"row_{i}" for i in range(60)]
    np.testing.assert_array_equal(embedded(cells, model, gene_key="symbol"), expected)
    embed(cells, model, gene_key="symbol", gene_embeddings=True)
    assert not np.isnan(cells.varm["scmamba_gene_embedding"]).any()


def test_layer_and_raw(cells, model) -> None:
    expected = embedded(cells, model)
    cells.raw = cells
    cells.X = cells.X.toarray() - 1.0
    assert (cells.X < 0).any()
    np.testing.assert_array_equal(embedded(cells, model, layer="counts"), expected)
    np.testing.assert_array_equal(embedded(cells, model, use_raw=True), expected)
    embed(cells, model)  # scaled X with raw is scanpy's usual state
    np.testing.assert_array_equal(cells.obsm["X_scmamba"], expected)
    assert cells.uns["scmamba"]["source"] == "raw.X"


def test_log_values_bin_like_counts(cells, model) -> None:
    expected = embedded(cells, model)
    cells.X = cells.X.log1p()
    np.testing.assert_allclose(embedded(cells, model), expected, **TOLERANCE)


def test_a_model_of_log_values_norms_counts_itself(cells, tiny_model) -> None:
    model = tiny_model(cells.var_names.tolist(), value_type="lognorm")
    expected = embedded(cells, model)
    X = cells.X.toarray()
    cells.X = np.log1p(X / X.sum(1, keepdims=True) * 1e4)
    np.testing.assert_allclose(embedded(cells, model), expected, **TOLERANCE)


def test_copy_and_key_added(cells, model, assert_untouched) -> None:
    before = cells.copy()
    result, used = embed(cells, model, copy=True, key_added="mine")
    assert used is model
    assert_untouched(cells, before)
    assert list(result.obsm) == ["X_mine"]
    assert result.uns["mine"]["task"] == "embed"
    assert embed(cells, model) is model
    assert list(cells.obsm) == ["X_scmamba"]


def test_a_backed_view_is_refused_before_any_work(cells, model, tmp_path) -> None:
    cells.write_h5ad(tmp_path / "cells.h5ad")
    view = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")[:9]
    with pytest.raises(ScmambaError, match="view of a backed AnnData.*copy=True"):
        embed(view, model)
    assert embed(view, model, copy=True)[0].n_obs == 9


def test_what_ran_is_told_and_survives_files(cells, model, tmp_path) -> None:
    models.save(model, tmp_path / "tiny")
    embed(cells, tmp_path / "tiny", seed=3, gene_embeddings=True)
    said = cells.uns["scmamba"]
    assert said["model"] == "tiny"
    assert len(said["model_sha256"]) == 64
    assert (said["seed"], said["genes_matched"], said["genes_given"]) == (3, 60, 60)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    cells.write_zarr(tmp_path / "cells.zarr")
    for back in (ad.read_h5ad(tmp_path / "cells.h5ad"), ad.read_zarr(tmp_path / "cells.zarr")):
        assert {**back.uns["scmamba"], "params": dict(back.uns["scmamba"]["params"])} == said
        np.testing.assert_array_equal(back.obsm["X_scmamba"], cells.obsm["X_scmamba"])


def test_domain_norm_goes_by_the_batch_of_each_cell(cells, tiny_model) -> None:
    model = tiny_model(cells.var_names.tolist(), input_norm="domain", n_domains=3, n_batches=3)
    for name, buffer in model.named_buffers():
        if "running_mean" in name:
            buffer.normal_()
    found = embedded(cells, model, batch_key="batch", normalize=False)
    codes = cells.obs["batch"].cat.codes.to_numpy()
    tokens = tokenize(cells.X, model.vocab.index(cells.var_names))
    for row in (0, 1, 2, 3):
        start, stop = tokens.indptr[row : row + 2]
        ids = torch.tensor([[model.vocab.cls_id, *tokens.gene_ids[start:stop]]])
        values = torch.tensor(
            [[model.config.encoder.cls_value, *tokens.values[start:stop]]]
        ).float()
        with torch.no_grad():
            one = model(ids, values, None, torch.tensor([int(codes[row])])).cell_embedding[0]
        np.testing.assert_allclose(found[row], one, **TOLERANCE)


def wrong_nan(a):
    a.X.data[5] = np.nan


def wrong_inf(a):
    a.X.data[5] = np.inf


def wrong_negative(a):
    a.X.data[5] = -1


def wrong_raw(a):
    a.X.data[5] = np.nan
    a.raw = a
    a.X = a.layers["counts"].copy()
    a.X.data[5] = -1


def wrong_genes(a):
    a.var_names = [f"g{i}" for i in range(60)]


def wrong_batch(a):
    a.obs["broken"] = a.obs["batch"].where(np.arange(90) > 3)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (wrong_nan, {}, "NaN or infinite"),
        (wrong_inf, {}, "NaN or infinite"),
        (wrong_negative, {}, "negative values"),
        (wrong_raw, {}, "raw.X holds 1 NaN"),
        (wrong_genes, {}, "genes match"),
        (None, {"layer": "none"}, "layer='none' is not in adata.layers; layers here: 'counts'"),
        (None, {"use_raw": True}, "adata.raw is None"),
        (None, {"gene_key": "none"}, "gene_key='none' is not a column"),
        (None, {"max_length": 0}, "max_length=0"),
        (None, {"seed": -1}, "seed=-1"),
        (None, {"model": "no/such/folder"}, "no/such/folder"),
        (None, {"model": 5}, "model=5"),
    ],
)
def test_wrong_input_is_told_and_nothing_written(
    cells, model, assert_untouched, change, options, message
) -> None:
    if change is not None:
        change(cells)
    before = cells.copy()
    with pytest.raises(ScmambaError, match=message):
        embed(cells, **{"model": model, "gene_embeddings": True, **options})
    assert_untouched(cells, before)


def test_genes_named_in_raw_alone(cells, model, assert_untouched) -> None:
    """Expression can be read there, but gene embeddings belong to adata.var."""
    cells.var["symbol"] = cells.var_names
    cells.raw = cells
    del cells.var["symbol"]
    before = cells.copy()
    with pytest.raises(ScmambaError, match="gene_key='symbol' is not a column of adata.var"):
        embed(cells, model, use_raw=True, gene_key="symbol", gene_embeddings=True)
    assert_untouched(cells, before)
    embed(cells, model, use_raw=True, gene_key="symbol")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (None, "batch_key="),
        ("nowhere", "batch_key='nowhere' is not a column"),
        ("broken", "is missing for 4 cell"),
        ("cell", "holds 90 batches, the model knows 3"),
    ],
)
def test_wrong_batches(cells, tiny_model, assert_untouched, key, message) -> None:
    model = tiny_model(cells.var_names.tolist(), input_norm="domain", n_domains=3, n_batches=3)
    wrong_batch(cells)
    cells.obs["cell"] = cells.obs_names
    before = cells.copy()
    with pytest.raises(ScmambaError, match=message):
        embed(cells, model, batch_key=key)
    assert_untouched(cells, before)


def test_no_cells_no_genes_no_anndata(cells, model) -> None:
    with pytest.raises(ScmambaError, match="no cells"):
        embed(cells[:0].copy(), model)
    with pytest.raises(ScmambaError, match="no genes"):
        embed(cells[:, :0].copy(), model)
    with pytest.raises(ScmambaError, match="allowed: an AnnData"):
        embed(cells.X, model)


def test_repeated_names(cells, model) -> None:
    expected = embedded(cells, model)
    cells.obs_names = ["cell"] * 90
    np.testing.assert_array_equal(embedded(cells, model), expected)
    twice = ad.AnnData(sparse.hstack([cells.X, cells.X[:, :1]], format="csr"))
    twice.var_names = [*cells.var_names, cells.var_names[0]]
    added = cells.copy()
    X = cells.X.toarray()
    X[:, 0] *= 2
    added.X = X
    np.testing.assert_array_equal(embedded(twice, model), embedded(added, model))


def test_model_without_vocabulary(cells, model) -> None:
    model.vocab = None
    with pytest.raises(ScmambaError, match="no vocabulary"):
        embed(cells, model)


def test_a_model_of_sequences_is_named_before_anything_is_fetched(cells, golden) -> None:
    for model in ("caduceus-ps-1k", golden / "caduceus_ps_tiny"):
        with pytest.raises(ScmambaError, match="is a model of DNA or mRNA; .*tasks.sequence"):
            embed(cells, model)


def test_bfloat16_on_request_is_near(cells, model, monkeypatch) -> None:
    exact = embedded(cells, model)
    monkeypatch.setattr(settings, "_precision", "bfloat16")
    rounded = embedded(cells, model)
    assert 0 < np.abs(rounded - exact).max() < 2e-2


def test_prompts_come_before_the_genes_and_unknown_ones_are_refused(cells, tiny_model) -> None:
    genes = cells.var_names.tolist()
    net = tiny_model([*genes, "<tissue:blood>", "<tissue:lung>", "<assay:10x>"])
    plain, blood = embedded(cells, net), embedded(cells, net, tissue="blood")
    assert not np.allclose(plain, blood, atol=1e-3)
    assert not np.allclose(blood, embedded(cells, net, tissue="lung"), atol=1e-3)
    with pytest.raises(ScmambaError, match="tissue='blod' is not a prompt .* blood"):
        embed(cells, net, tissue="blod")
    with pytest.raises(ScmambaError, match="pretrained without prompts of the assay"):
        embed(cells, tiny_model(genes), assay="10x")


def test_prompts_are_inserted_before_each_cell() -> None:
    from scmamba.tasks._prompts import with_prompts

    tokens = tokenize(sparse.csr_matrix([[1.0, 2.0], [0.0, 0.0], [0.0, 3.0]]), [0, 1], n_bins=None)
    found = with_prompts(tokens, np.array([8, 9]))
    assert found.indptr.tolist() == [0, 4, 6, 9]
    assert found.gene_ids.tolist() == [8, 9, 0, 1, 8, 9, 8, 9, 1]
    assert found.values.tolist() == [1, 1, 1, 2, 1, 1, 1, 1, 3]
