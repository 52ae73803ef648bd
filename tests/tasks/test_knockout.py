"""Knock-outs: the closed form against forward passes, planted effects, and wrong inputs."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import scmamba
from scmamba._errors import ScmambaError
from scmamba.models import CellModel, preset
from scmamba.tasks import AnnotationTraining, IntegrationTraining, knockout
from scmamba.tasks._cell_models import read_cells
from scmamba.tasks._forward import forward
from scmamba.tasks._knockout.null import adjusted, like_genes, p_value
from scmamba.tasks._knockout.shifts import Perturber, changed
from scmamba.tokens import Vocab


@pytest.fixture
def cells():
    return scmamba.datasets.synthetic(60, 40, 2, n_batches=2, human=True)


def model_of(cells, **settings):
    torch.manual_seed(0)
    names = list(cells.var_names)
    one = preset("mini", n_genes=len(names) + 3, **{"d_model": 16, "n_layer": 1, **settings})
    model = CellModel(one)
    model.vocab = Vocab(names)
    return model


BAG = {
    "n_layer": 0,
    "pre_norm": False,
    "gene_norm": False,
    "input_norm": "none",
    "value_encoding": "product",
    "expression": False,
    "mvc": False,
}


@pytest.mark.parametrize("kind", ["delete", "overexpress"])
@pytest.mark.parametrize("pool", ["mean", "sum"])
@pytest.mark.parametrize("value_type", ["bins", "lognorm"])
def test_bag_equals_forward_passes(cells, kind, pool, value_type):
    model = model_of(cells, pool=pool, value_type=value_type, n_latent=5, **BAG)
    read = read_cells(model, scmamba.pp.expression(cells), cells.obs, None)
    perturber = Perturber(read, kind)
    assert perturber.is_bag
    np.testing.assert_allclose(perturber.before, forward(model, read.data).embedding, atol=1e-4)
    for gene in (0, 7):
        rows, after = perturber.after(gene)
        old = perturber.column(gene)
        top = read.values.max(1).toarray().ravel()
        new = np.zeros_like(old) if kind == "delete" else top
        assert rows.tolist() == np.flatnonzero(new != old).tolist()
        data = changed(read.data, read.values, rows, gene, new[rows])
        np.testing.assert_allclose(after, forward(model, data).embedding, atol=1e-4)


def test_tokens_without_the_gene_equal_cells_without_it(cells):
    model = model_of(cells)
    found = scmamba.pp.expression(cells)
    perturber = Perturber(read_cells(model, found, cells.obs, None), "delete")
    rows, after = perturber.after(3)
    assert 0 < len(rows) < 60
    alone = perturber.values.tolil()
    alone[:, 3] = 0
    kept = alone.tocsr()
    for i, row in enumerate(rows[:3]):
        cell = kept[row]
        ids = torch.tensor([[model.vocab.cls_id, *cell.indices]])
        numbers = torch.tensor([[model.config.encoder.cls_value, *cell.data]])
        with torch.no_grad():
            wanted = model(ids, numbers).cell_embedding[0].numpy()
        np.testing.assert_allclose(after[i], wanted, atol=1e-4)


def test_planted_effect(cells):
    """A gene that drives a module moves expression of its members; the order tells so."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(3, (300, 60)).astype(np.float32)
    active = rng.random(300) < 0.5
    counts[:, :8] = rng.poisson(np.where(active, 12, 1)[:, None], (300, 8))
    names = list(cells.var_names) + [f"g{i}" for i in range(20)]
    adata = ad.AnnData(sparse.csr_matrix(counts))
    adata.var_names = names
    adata.obs["state"] = np.where(active, "on", "off")
    result = knockout(adata, [names[0], names[30]], goal="off", goal_key="state", n_null=20)
    change = result.expression.loc[names[0]]
    assert np.isnan(change[names[0]])
    assert change[names[1:8]].max() < change[names[8:]].min()
    assert result.table.loc[names[0], "cosine"] > result.table.loc[names[30], "cosine"]
    assert result.table["fdr"].between(0, 1).all()
    shift = adata.obsm["scmamba_knockout"]
    assert shift.shape == (300, 2)
    assert np.isnan(shift[~active]).all() and np.isfinite(shift[active]).all()
    again = knockout(adata, [names[0], names[30]], goal="off", goal_key="state", n_null=20)
    assert again.table.equals(result.table)


def test_models_of_other_tasks(cells, tmp_path):
    scmamba.settings.verbosity = "error"
    cells.obs["label"] = cells.obs["cell_type"].where(np.arange(60) % 2 == 0)
    annotator = scmamba.tasks.annotate(
        cells,
        labels_key="label",
        training=AnnotationTraining(epochs=1, n_members=1, width=16),
    )
    annotator.save(tmp_path / "annotator")
    gene = cells.var_names[0]
    one = knockout(cells, gene, model=annotator, n_null=3)
    two = knockout(cells, gene, model=tmp_path / "annotator", n_null=3)
    np.testing.assert_allclose(one.shift, two.shift, atol=1e-5)
    integrator = scmamba.tasks.integrate(
        cells, "batch", training=IntegrationTraining(epochs=1, width=16)
    )
    with pytest.raises(ScmambaError, match="batch_key="):
        knockout(cells, gene, model=integrator, n_null=3)
    found = knockout(cells, gene, model=integrator, batch_key="batch", n_null=3)
    assert found.shift.to_numpy().max() > 0


def test_model_with_flags(cells):
    model = model_of(cells, perturbation_flags=True, value_type="lognorm", pool="cls")
    result = knockout(cells, [cells.var_names[4]], model=model, n_null=2)
    assert (result.shift.to_numpy() > 0).all()


def test_file(cells, tmp_path):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    gene = cells.var_names[0]
    result = knockout(tmp_path / "cells.h5ad", gene, n_null=3, output=tmp_path / "out.h5ad")
    written = ad.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_allclose(written.obsm["scmamba_knockout"], result.shift, atol=1e-5)
    assert written.uns["scmamba"]["task"] == "knockout"
    pd.testing.assert_frame_equal(
        written.uns["scmamba"]["effects"], result.table, check_names=False
    )


WRONG = {
    "unknown gene": ({"genes": ["CD3X"]}, "CD3X.*near: "),
    "no gene": ({"genes": []}, "give the name of a gene"),
    "a number": ({"genes": [3]}, "give the name of a gene"),
    "kind": ({"kind": "remove"}, "kind='remove'; allowed: 'delete', 'overexpress'"),
    "goal alone": ({"goal": "type_0"}, "give both"),
    "goal": ({"goal": "type_O", "goal_key": "cell_type"}, "near: .*'type_0'"),
    "goal key": ({"goal": "type_0", "goal_key": "cel_type"}, "is not a column"),
    "null": ({"n_null": -1}, "n_null=-1"),
    "layer": ({"layer": "count"}, "count"),
    "model": ({"model": "no/such/folder"}, "no such folder"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_change_nothing(cells, case):
    options, message = WRONG[case]
    before = cells.copy()
    arguments = {"genes": [cells.var_names[0]], **options}
    with pytest.raises(ScmambaError, match=message):
        knockout(cells, **arguments)
    assert not cells.obsm and not cells.uns
    assert (cells.X != before.X).nnz == 0


def test_too_few_cells_for_a_goal(cells):
    cells.obs["state"] = ["rare"] + ["rest"] * 59
    with pytest.raises(ScmambaError, match="at least 3 cells"):
        knockout(cells, cells.var_names[0], goal="rare", goal_key="state")


def test_what_false_discovery_rate_one_gene_can_have(cells):
    result = knockout(cells, cells.var_names[:4].tolist(), n_null=19)
    assert result.smallest_fdr == pytest.approx(0.2)
    assert "a single one can have 0.2 (n_null=19)" in repr(result)
    assert result.table["fdr"].min() >= 0.05


def test_null():
    assert p_value(2.0, np.array([1.0, 2.0, 3.0])) == 0.75
    assert np.isnan(p_value(np.nan, np.ones(3)))
    np.testing.assert_allclose(adjusted(np.array([0.01, np.nan, 0.04])), [0.02, np.nan, 0.04])
    means = np.arange(10.0)
    (drawn,) = like_genes(means, np.array([5]), np.array([0, 4, 6, 7, 9]), 2, 0)
    assert set(drawn) <= {4, 6, 7, 9} and len(drawn) == 2


def test_blocks_of_a_file_equal_cells_in_memory(cells, tmp_path, monkeypatch):
    genes = [str(cells.var_names[i]) for i in (3, 5)]
    cells.obs["state"] = np.where(np.arange(cells.n_obs) % 3 == 0, "A", "B")
    cells.write_h5ad(tmp_path / "cells.h5ad")
    options = {"n_null": 3, "goal": "A", "goal_key": "state"}
    whole = knockout(cells, genes, **options)
    monkeypatch.setattr("scmamba.stream.expressions.BLOCK_VALUES", 200)
    parts = []
    made = Perturber.__init__
    monkeypatch.setattr(Perturber, "__init__", lambda *a: parts.append(1) or made(*a))
    found = knockout(tmp_path / "cells.h5ad", genes, output=tmp_path / "out.h5ad", **options)
    assert len(parts) > 3
    pd.testing.assert_frame_equal(found.table, whole.table, rtol=1e-4, atol=1e-6)
    pd.testing.assert_frame_equal(found.shift, whole.shift, rtol=1e-4, atol=1e-5)
    pd.testing.assert_frame_equal(found.expression, whole.expression, rtol=1e-3, atol=1e-5)
