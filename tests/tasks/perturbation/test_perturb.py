"""The perturbation task: what it predicts, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import scmamba
from scmamba._errors import ScmambaError
from scmamba.learn.effects.model import EffectModel
from scmamba.models import CellModel, preset
from scmamba.tasks import PerturbationModel, PerturbationTraining, perturb
from scmamba.tokens import Vocab

GENES = [f"g{i}" for i in range(40)]


def screen(n=30, seed=0, contexts=("T", "B", "NK")):
    """Counts of cells in which A raises the first five genes fourfold and B stops the next five."""
    rng = np.random.default_rng(seed)
    shared = 2 + rng.gamma(2.0, 2.0, len(GENES))
    base = {c: shared * rng.lognormal(0, 0.3, len(GENES)) for c in contexts}
    parts, obs = [], []
    for context in contexts:
        for label in ("ctrl", "A", "B"):
            rate = base[context].copy()
            rate[:5] *= 4 if label == "A" else 1
            rate[5:10] *= 0.1 if label == "B" else 1
            parts.append(rng.poisson(rate, (n, len(GENES))))
            obs += [(context, label)] * n
    adata = AnnData(
        sparse.csr_matrix(np.vstack(parts).astype(np.float32)),
        obs=pd.DataFrame(obs, columns=["cell_type", "drug"]),
        var=pd.DataFrame(index=GENES),
    )
    adata.obs_names = [f"cell{i}" for i in range(adata.n_obs)]
    return adata


@pytest.fixture(scope="module")
def model():
    adata = screen()
    seen = ~((adata.obs["cell_type"] == "NK") & (adata.obs["drug"] != "ctrl"))
    return perturb(adata[seen].copy(), "drug", "ctrl", cell_type_key="cell_type")


def controls(context="NK", n=30):
    adata = screen(n)
    return adata[(adata.obs["cell_type"] == context) & (adata.obs["drug"] == "ctrl")].copy()


def test_an_unseen_cell_type_changes_as_the_others_do(model):
    measured = screen()
    nk = measured[measured.obs["cell_type"] == "NK"]
    mean = {
        label: np.asarray(scmamba.pp.log_normalize(nk[nk.obs["drug"] == label].X).mean(0)).ravel()
        for label in ("ctrl", "A", "B")
    }
    found = model.predict_mean(controls(), ["A", "B"])
    for label in ("A", "B"):
        wanted = mean[label] - mean["ctrl"]
        assert np.corrcoef(found.loc[label], wanted)[0, 1] > 0.8
    assert found.columns.tolist() == GENES


def test_predicted_cells_are_counts_with_the_predicted_mean(model):
    cells = controls(n=200)
    found = model.predict(cells, ["A", "B"])
    assert found.shape == (400, 40)
    assert found.obs["drug"].tolist() == ["A"] * 200 + ["B"] * 200
    assert found.obs["control_cell"].tolist() == cells.obs_names.tolist() * 2
    assert (found.X.data == np.rint(found.X.data)).all()
    start = np.asarray(cells.X.mean(0)).ravel()
    raised = np.asarray(found[:200].X.mean(0)).ravel()[:5] / start[:5]
    lowered = np.asarray(found[200:].X.mean(0)).ravel()[5:10] / start[5:10]
    assert (raised > 1.8).all() and (lowered < 0.45).all()
    told = found.uns["scmamba"]["support"]
    assert told["rests_on"].tolist() == ["other contexts"] * 2


def test_predicted_cells_keep_the_unit_of_log_normalized_input(model):
    cells = controls()
    cells.X = scmamba.pp.log_normalize(cells.X)
    found = model.predict(cells, "A")
    expected = model.predict_mean(cells, "A", change=False).to_numpy()[0]
    np.testing.assert_allclose(np.asarray(found.X.mean(0)).ravel(), expected, atol=0.4)
    assert (found.X.data != np.rint(found.X.data)).any()


def test_a_cell_does_not_depend_on_the_others(model):
    cells = controls()
    del cells.obs["cell_type"]
    whole = model.predict(cells, ["A", "A+B"])
    part = model.predict(cells[[7, 3]].copy(), "A+B")
    np.testing.assert_array_equal(part.X.toarray(), whole[[30 + 7, 30 + 3]].X.toarray())


def test_gene_order_and_further_genes_do_not_matter(model):
    cells = controls()
    more = AnnData(
        sparse.hstack([cells.X[:, ::-1], sparse.csr_matrix((30, 1))], format="csr").astype("f4"),
        obs=cells.obs,
        var=pd.DataFrame(index=[*GENES[::-1], "new"]),
    )
    one, other = model.predict_mean(cells, "A"), model.predict_mean(more, "A")
    pd.testing.assert_frame_equal(one, other, rtol=1e-5, atol=1e-6)


def test_combinations_add_up_and_controls_stay(model):
    found = model.predict_mean(None, ["A", "B", "B+A", "ctrl"], context="T")
    np.testing.assert_allclose(
        found.loc["A+B"], found.loc["A"] + found.loc["B"], rtol=1e-5, atol=1e-6
    )
    assert (found.loc["ctrl"] == 0).all()
    cells = controls("T")
    np.testing.assert_array_equal(model.predict(cells, "ctrl").X.toarray(), cells.X.toarray())


def test_predicted_cells_have_names_of_their_own(model, caplog):
    cells = controls()
    cells.obs_names = ["cell"] * cells.n_obs
    with caplog.at_level("WARNING", logger="scmamba"):
        found = model.predict(cells, ["A", "B", "A", "A+B", "B+A"])
    assert found.obs["drug"].value_counts().to_dict() == {"A": 30, "B": 30, "A+B": 30}
    assert found.obs_names.is_unique
    support = found.uns["scmamba"]["support"]
    assert support["perturbation"].tolist() == ["A", "B", "A+B"]
    ran = found.uns["scmamba"]
    assert (ran["task"], ran["seed"], ran["params"]["control"]) == ("perturb", 0, "ctrl")
    assert ran["params"]["perturbations"] == "A, B, A+B"
    assert support["rests_on"].tolist() == ["other contexts", "other contexts", "its parts"]
    assert "taken for control cells" not in caplog.text
    with caplog.at_level("WARNING", logger="scmamba"):
        twice = model.predict(found, ["A", "B"])
    assert twice.obs_names.is_unique and twice.n_obs == 180
    assert set(twice.obs["control_cell"]) == set(found.obs_names)
    assert "90 of 90 cells are not 'ctrl' in obs['drug']" in caplog.text


def test_reverse_finds_what_was_done(model):
    measured = screen(seed=0)
    for label in ("A", "B"):
        target = measured[(measured.obs["cell_type"] == "T") & (measured.obs["drug"] == label)]
        found = model.reverse(target.copy(), context="T")
        assert found["perturbation"].iloc[0] == label
        assert found["score"].iloc[0] > 0.8
    change = model.predict_mean(None, "A+B", context="T").iloc[0]
    pairs = model.reverse(change, change=True, combinations=2, context="T", top_k=1)
    assert pairs["perturbation"].tolist() == ["A+B"]


def test_a_candidates_own_gene_cannot_give_it_away():
    rng = np.random.default_rng(0)
    effects = 0.5 * rng.normal(size=(2, 40))
    effects[0, 0] = effects[1, 1] = -20.0
    adata = AnnData(
        effects, obs=pd.DataFrame({"gene": ["g0", "g1"]}), var=pd.DataFrame(index=GENES)
    )
    model = perturb(adata, "gene", effects=True)
    target = pd.Series(effects[1], GENES)
    target["g0"], target["g1"] = -20.0, 0.0  # the profile of g1, with the drop of g0
    assert model.reverse(target, change=True)["perturbation"].iloc[0] == "g1"


def test_saved_models_predict_the_same(model, tmp_path):
    model.save(tmp_path / "model")
    loaded = PerturbationModel.load(tmp_path / "model")
    cells = controls()
    np.testing.assert_array_equal(
        loaded.predict(cells, "A+B").X.toarray(), model.predict(cells, "A+B").X.toarray()
    )
    assert repr(loaded) == repr(model)
    with pytest.raises(ScmambaError, match="holds a perturbation model"):
        scmamba.tasks.embed(cells, model=tmp_path / "model")


def test_own_tables_of_genes_are_saved(tmp_path):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), index=GENES)
    sets = tmp_path / "sets.gmt"
    sets.write_text("one\t\tg0\tg1\ntwo\t\tg2\tg3\n")
    effects = AnnData(
        np.random.default_rng(1).normal(size=(8, 40)),
        obs=pd.DataFrame({"gene": GENES[:8]}),
        var=pd.DataFrame(index=GENES),
    )
    model = perturb(effects, "gene", effects=True, gene_embeddings=[table, sets])
    model.save(tmp_path / "model")
    loaded = PerturbationModel.load(tmp_path / "model")
    found, expected = loaded.predict_mean(None, "g20"), model.predict_mean(None, "g20")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_batches_are_compared_with_their_own_controls():
    adata = screen(contexts=("T",))
    adata.obs["batch"] = ["b0" if i % 2 else "b1" for i in range(adata.n_obs)]
    adata.X = (adata.X.toarray() + 20 * (adata.obs["batch"] == "b0").to_numpy()[:, None]).astype(
        np.float32
    )
    adata = adata[~((adata.obs["batch"] == "b1") & (adata.obs["drug"] == "A"))].copy()
    plain = perturb(adata, "drug", "ctrl").predict_mean(None, "A").iloc[0]
    right = perturb(adata, "drug", "ctrl", batch_key="batch").predict_mean(None, "A").iloc[0]
    assert np.abs(right[10:]).mean() < np.abs(plain[10:]).mean()


def test_validation_stands_beside_baselines():
    effects = AnnData(
        np.random.default_rng(1).normal(size=(8, 40)),
        obs=pd.DataFrame({"gene": GENES[:8]}),
        var=pd.DataFrame(index=GENES),
    )
    found = perturb(effects, "gene", effects=True).validation
    assert set(found["unseen"]) == {"perturbation"}
    assert {"scmamba", "no_change", "mean"} <= set(found["method"])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (None, {"control": "crtl"}, "similar or first values: ctrl"),
        (None, {"pert_key": "drugs"}, "pert_key='drugs' is not a column"),
        (None, {"control": None}, "control=None"),
        (None, {"dose_key": "dose"}, "no doses, first nan"),
        (None, {"context_key": "cell_type"}, "mean the same"),
        ("no controls", {}, "no cell of NK is a control"),
        ("negative", {}, "negative"),
        ("twice", {}, "occur twice"),
    ],
)
def test_bad_input_is_refused(change, options, message):
    adata = screen(6)
    adata.obs["dose"] = [1.0] * 12 + [np.nan] * (adata.n_obs - 12)
    if change == "no controls":
        adata = adata[~((adata.obs["cell_type"] == "NK") & (adata.obs["drug"] == "ctrl"))].copy()
    elif change == "negative":
        adata.X[0, 0] = -1
    elif change == "twice":
        adata.var_names = [*GENES[:-1], "g0"]
    given = {"pert_key": "drug", "control": "ctrl", "cell_type_key": "cell_type", **options}
    with pytest.raises(ScmambaError, match=message):
        perturb(adata, **given)


def test_requests_that_cannot_be_met_are_refused(model):
    cells = controls()
    with pytest.raises(ScmambaError, match="neither in the data nor a known gene"):
        model.predict(cells, "nothing")
    with pytest.raises(ScmambaError, match="twice"):
        model.predict(cells, "A+A")
    with pytest.raises(ScmambaError, match="context='X' was not measured"):
        model.predict_mean(None, "A", context="X")
    with pytest.raises(ScmambaError, match="give one of both"):
        model.predict_mean(cells, "A", context="T")
    with pytest.raises(ScmambaError, match="fitted without dose_key"):
        model.predict_mean(None, "A", dose=1.0)
    cells.var_names = [f"other{i}" for i in range(40)]
    with pytest.raises(ScmambaError, match="0 of the 40 genes"):
        model.predict(cells, "A")
    effects = AnnData(np.eye(3, 40), obs=pd.DataFrame({"p": ["A", "B", "C"]}))
    effects.var_names = GENES
    given = perturb(effects, "p", effects=True)
    with pytest.raises(ScmambaError, match="needs control cells"):
        given.predict(controls(), "A")
    with pytest.raises(ScmambaError, match="genes of the target"):
        given.reverse(pd.Series([1.0], ["g0"]), change=True)


@pytest.mark.parametrize("given", [None, 3, [3], [["A", 3]]], ids=str)
def test_what_is_no_name_is_refused(model, given):
    with pytest.raises(ScmambaError, match="give one or more names"):
        model.predict(controls(), given)


def test_what_are_no_cells_is_refused(model):
    with pytest.raises(ScmambaError, match="adata is a str; give an AnnData"):
        perturb("screen.h5ad", "drug", "ctrl")
    with pytest.raises(ScmambaError, match="cells is a DataFrame; give an AnnData"):
        model.predict(pd.DataFrame(), "A")


def test_upper_and_lower_case_name_the_same_measured_perturbation(model):
    upper, lower = (model.predict_mean(None, [one]) for one in ("A", "a"))
    pd.testing.assert_frame_equal(upper, lower)


def test_a_screen_of_few_cells_alone_is_refused():
    adata = screen(4, contexts=("T",))
    with pytest.raises(ScmambaError, match="no perturbation has 5 or more cells; .* of A, B"):
        perturb(adata, "drug", "ctrl")


def test_few_cells_of_a_perturbation_are_left_out(caplog):
    adata = screen(6, contexts=("T",))
    adata = adata[[*range(12), *range(12, 15)]].copy()
    with caplog.at_level("WARNING", logger="scmamba"):
        found = perturb(adata, "drug", "ctrl")
    assert found.perturbations == ("A",)
    assert "fewer than 5 cells (B)" in caplog.text

    with pytest.raises(ScmambaError, match="'B' has fewer than 5 cells and was left out"):
        found.predict_mean(None, "B")


def test_what_cannot_be_predicted_is_told_before_the_fit(monkeypatch):
    monkeypatch.setattr(EffectModel, "fit", lambda *_: pytest.fail("fitted"))
    with pytest.raises(ScmambaError, match="'nothing' is neither in the data nor a known gene"):
        perturb(screen(6), "drug", "ctrl", perturbations=["B", "nothing"])


def test_a_network_is_saved_with_its_shares(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "scmamba.learn.effects.residual.fit.choose_share",
        lambda target, *_: 0.5 * bool(target.any()),
    )
    adata = scmamba.datasets.synthetic(160, 30, 2)
    labels = ["control", *(f"gene_{i}" for i in range(7))]
    adata.obs["target"] = labels * 20
    training = PerturbationTraining(epochs=1, width=8)
    model = perturb(adata, "target", "control", training=training)
    assert model.fitted.residual.shares == {"perturbation": 0.5}
    assert "50% for an unseen perturbation" in repr(model)
    model.save(tmp_path / "model")
    again = PerturbationModel.load(tmp_path / "model")
    assert again.about == model.about and model.about["cut"] == "nothing"
    cells = adata[adata.obs["target"] == "control"]
    for one in (["gene_9"], ["gene_1"]):
        expected = model.predict(cells, one).X.toarray()
        np.testing.assert_array_equal(again.predict(cells, one).X.toarray(), expected)
    plain = perturb(adata, "target", "control").predict_mean(None, ["gene_9"])
    assert np.abs(model.predict_mean(None, ["gene_9"]) - plain).to_numpy().max() > 0


def test_a_model_is_a_source_of_knowledge():
    network = CellModel(preset("mini", n_genes=33, n_layer=0))
    network.vocab = Vocab([f"gene_{i}" for i in range(30)])
    adata = scmamba.datasets.synthetic(120, 30, 2)
    adata.obs["target"] = ["control", "gene_1", "gene_2"] * 40
    model = perturb(adata, "target", "control", gene_embeddings=None, model=network)
    assert model.method.embeddings.sources == ["model 1"]
    with pytest.raises(ScmambaError, match="model is a int"):
        perturb(adata, "target", "control", model=3)
    with pytest.raises(ScmambaError, match="training is a dict"):
        perturb(adata, "target", "control", training={})
