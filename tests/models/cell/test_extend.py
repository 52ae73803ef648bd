"""Gene embeddings of a cell model from sequence embeddings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as SklearnRidge

from scmamba import models
from scmamba._errors import ScmambaError
from scmamba.models import CellModel, extend_genes, preset, start_from_sequences
from scmamba.models.cell.extend import add_tokens
from scmamba.models.cell.ridge import PENALTIES, fit_ridge
from scmamba.tokens import Vocab

N, D_SEQ = 60, 12


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def cell_model(n=N, *, spare=0, **changes):
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_state": 8, "headdim": 8, "n_classes": 3, "pool": "attention"}
    model = CellModel(preset("mini", n_genes=n + 3 + spare, **{**sizes, **changes})).eval()
    model.vocab = Vocab([f"G{i}" for i in range(n)])
    with torch.no_grad():
        model.pool.bias.weight.normal_()
    return model


def sequences_for(model, rng, *, n_new=10, noise=0.05):
    """A table in which the model's gene embeddings are a linear map of those of sequences."""
    names = [*model.vocab.genes, *(f"new{i}" for i in range(n_new))]
    table = rng.normal(size=(len(names), D_SEQ))
    map_ = rng.normal(size=(D_SEQ, model.config.encoder.d_model))
    truth = table @ map_
    with torch.no_grad():
        rows = truth[: len(model.vocab.genes)] + noise * rng.normal(size=(N, truth.shape[1]))
        model.gene_embedding.embedding.weight[:N] = torch.from_numpy(rows).float()
    return names, table, truth


def test_ridge_as_scikit_learn(rng):
    x = rng.normal(size=(80, 7)) * [1, 10, 0.1, 5, 1, 1, 0] + 3  # one input never varies
    y = x @ rng.normal(size=(7, 4)) + rng.normal(size=(80, 4))
    found = fit_ridge(x, y, n_folds=4, seed=1)
    spread = np.where(x.std(0) > 0, x.std(0), 1)
    part = np.random.default_rng(1).permutation(80) % 4
    error = {}
    for penalty in PENALTIES[:-1]:
        left = [
            np.square(
                y[part == k]
                - SklearnRidge(penalty)
                .fit((x[part != k] - x[part != k].mean(0)) / _spread(x[part != k]), y[part != k])
                .predict((x[part == k] - x[part != k].mean(0)) / _spread(x[part != k]))
            ).sum()
            for k in range(4)
        ]
        error[penalty] = sum(left)
    assert found.penalty == min(error, key=error.get)
    total = sum(np.square(y[part == k] - y[part != k].mean(0)).sum() for k in range(4))
    assert found.r2 == pytest.approx(1 - min(error.values()) / total)
    theirs = SklearnRidge(found.penalty).fit((x - x.mean(0)) / spread, y)
    np.testing.assert_allclose(found.predict(x), theirs.predict((x - x.mean(0)) / spread))


def _spread(x):
    return np.where(x.std(0) > 0, x.std(0), 1)


def test_predictions_vary_as_what_they_predict(rng):
    x = rng.normal(size=(400, 5))
    y = 2 + x @ rng.normal(size=(5, 3)) + 4 * rng.normal(size=(400, 3))
    found, new = fit_ridge(x, y), rng.normal(size=(5000, 5))
    best, restored = found.predict(new), found.predict(new, restore=True)
    assert 0.1 < found.r2 < 0.5 and found.shrinkage == pytest.approx(math.sqrt(found.r2), rel=0.1)
    np.testing.assert_allclose(restored - y.mean(0), (best - y.mean(0)) / found.shrinkage)
    spread = np.square(restored - y.mean(0)).mean() / np.square(y - y.mean(0)).mean()
    assert spread == pytest.approx(1, rel=0.15)


def test_ridge_learns_nothing_where_there_is_nothing(rng):
    found = fit_ridge(rng.normal(size=(50, 30)), rng.normal(size=(50, 3)))
    assert math.isinf(found.penalty) and found.r2 == found.shrinkage == 0
    assert not found.weight.any()
    np.testing.assert_array_equal(found.predict(np.ones((1, 30)), restore=True), found.mean[None])
    constant = fit_ridge(rng.normal(size=(50, 3)), np.ones((50, 2)))
    assert constant.r2 == 0
    np.testing.assert_allclose(constant.predict(np.zeros((1, 3))), 1)


@pytest.mark.parametrize("spare", [0, 4, 30])
def test_new_genes_go_where_their_sequences_put_them(rng, spare):
    model = cell_model(spare=spare)
    names, table, truth = sequences_for(model, rng)
    order = rng.permutation(len(names))
    extended = extend_genes(model, [names[i] for i in order], table[order])
    new = extended.model
    assert set(extended.added) == {f"new{i}" for i in range(10)}
    assert (extended.n_shared, extended.embedding_map.r2 > 0.99) == (N, True)
    assert new.vocab.tokens == (*model.vocab.tokens, *extended.added)
    assert new.config.encoder.n_genes == max(N + 3 + spare, N + 3 + 10)
    rows = new.gene_embedding.embedding.weight[new.vocab.index(extended.added)].detach().numpy()
    wanted = truth[[names.index(name) for name in extended.added]]
    np.testing.assert_allclose(rows, wanted, atol=0.3)
    mean = truth[:N].mean(0)
    assert np.square(rows - wanted).mean() < 0.01 * np.square(mean - wanted).mean()


@torch.no_grad()
def test_known_genes_stay_what_they_were(rng):
    model = cell_model()
    names, table, _ = sequences_for(model, rng)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    new = extend_genes(model, names, table).model
    ids, values = torch.randint(0, N, (4, 9)), torch.rand(4, 9)
    for out, wanted in zip(
        (new(ids, values).class_logits, new(ids, values).expression),
        (model(ids, values).class_logits, model(ids, values).expression),
        strict=True,
    ):
        assert torch.equal(out, wanted)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    bias = new.pool.bias.weight
    torch.testing.assert_close(bias[-1], model.pool.bias.weight[:N].mean(0))
    out = new(torch.full((1, 3), N + 3), torch.rand(1, 3))
    assert out.class_logits.isfinite().all()


def test_a_matrix_with_as_many_rows_as_genes_is_no_gene_table():
    model = cell_model(13, mvc=True)  # with the special tokens as many genes as d_model
    assert model.config.encoder.n_genes == model.config.encoder.d_model == 16
    grown = add_tokens(model, ["new"])
    for name, tensor in model.state_dict().items():
        more = tensor.ndim == 2 and name in ("gene_embedding.embedding.weight", "pool.bias.weight")
        assert len(grown.state_dict()[name]) == len(tensor) + more if tensor.ndim else True
    query = model.state_dict()["heads.mvc.query.weight"]
    assert torch.equal(grown.state_dict()["heads.mvc.query.weight"], query)


def test_sequences_that_tell_nothing(rng):
    model = cell_model()
    names = [*model.vocab.genes, "new"]
    extended = extend_genes(model, names, rng.normal(size=(N + 1, 50)))
    assert extended.embedding_map.r2 == 0
    table = model.gene_embedding.embedding.weight.detach()
    torch.testing.assert_close(
        extended.model.gene_embedding.embedding.weight[-1].detach(), table[:N].mean(0)
    )
    assert "0.0% of the variance" in str(extended)


def test_an_extended_model_is_saved(rng, tmp_path):
    model = cell_model()
    names, table, _ = sequences_for(model, rng)
    new = extend_genes(model, names, table).model
    again = models.load(models.save(new, tmp_path / "model"))
    assert again.vocab == new.vocab and again.report.complete


def test_a_start_from_sequences(rng):
    model = cell_model(gene_norm=False)
    before = model.gene_embedding.embedding.weight.clone()
    names = [*model.vocab.genes[:40], "elsewhere"]
    table = rng.normal(size=(41, 5)) * [5, 1, 1, 1, 0]
    assert start_from_sequences(model, names, table) == 40
    after = model.gene_embedding.embedding.weight.detach()
    assert torch.equal(after[40:], before[40:])
    # distances between standardised sequence embeddings are those between gene embeddings
    standard = (table[:40] - table[:40].mean(0)) / _spread(table[:40])
    wide = after[:40, :4].double().numpy()
    scale = np.linalg.norm(wide) / np.linalg.norm(standard)
    np.testing.assert_allclose(wide @ wide.T, standard @ standard.T * scale**2, atol=1e-4)


@pytest.mark.parametrize(
    ("names", "table", "message"),
    [
        ([f"G{i}" for i in range(30)], np.zeros((29, 3)), r"shape \(29, 3\) for 30 genes"),
        ([f"G{i}" for i in range(30)], np.zeros(30), "give one row per gene"),
        (["new", *(f"G{i}" for i in range(30))], np.full((31, 2), np.nan), "NaN or infinite"),
        (["new", "new", *(f"G{i}" for i in range(30))], np.zeros((32, 2)), "more than once"),
        ([f"G{i}" for i in range(30)], np.zeros((30, 2)), "30 of 30 genes are in the .* 0 are not"),
        (["new", *(f"G{i}" for i in range(19))], np.zeros((20, 2)), "19 of 20 .*at least 20"),
    ],
)
def test_odd_tables(names, table, message):
    with pytest.raises(ScmambaError, match=message):
        extend_genes(cell_model(), names, table)


def test_without_a_vocabulary_or_any_gene():
    model = cell_model()
    with pytest.raises(ScmambaError, match="none of the 1 genes is in .*such as G0, G1, G2"):
        start_from_sequences(model, ["X"], np.zeros((1, 2)))
    model.vocab = None
    for ask in (extend_genes, start_from_sequences):
        with pytest.raises(ScmambaError, match="has no vocabulary"):
            ask(model, ["X"], np.zeros((1, 2)))
