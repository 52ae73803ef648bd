"""Several modalities in one embedding: what holds whatever the data look like."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import anndata as ad
import numpy as np
import pytest
from anndata import AnnData

import scmamba
from scmamba._errors import ScmambaError
from scmamba.tasks import MultiomicsModel, MultiomicsObjectives, MultiomicsTraining, multiomics

QUICK = MultiomicsTraining(epochs=8, n_latent=6)


def cells(**sizes: int) -> dict[str, AnnData]:
    """Cells of three types with three modalities."""
    return scmamba.datasets.synthetic_multiome(**{"n_cells": 150, "n_batches": 2, **sizes})


@pytest.fixture(scope="module")
def data() -> dict[str, AnnData]:
    """Cells; results of a fit are written into them."""
    return cells()


@pytest.fixture(scope="module")
def model(data: dict[str, AnnData]) -> MultiomicsModel:
    """A model fitted on them."""
    return multiomics(data, batch_key="batch", labels_key="cell_type", training=QUICK, impute=True)


def test_writes_what_the_page_says(data: dict[str, AnnData], model: MultiomicsModel) -> None:
    """Keys, shapes, and weights that sum to one."""
    for name, adata in data.items():
        assert adata.obsm["X_scmamba"].shape == (150, 6)
        weights = [adata.obs[f"scmamba_weight_{one}"].to_numpy() for one in model.names]
        assert np.allclose(np.sum(weights, 0), 1, atol=1e-5)
        assert adata.layers["scmamba_imputed"].shape == adata.shape
        assert len(adata.var["scmamba_reliability"]) == adata.n_vars, name
    assert data["rna"].uns["scmamba"]["measured"] == {"rna": 150, "prot": 150, "atac": 150}


def test_types_are_found_again(data: dict[str, AnnData], model: MultiomicsModel) -> None:
    """Labels of cells, from all modalities and from single ones."""
    truth = data["rna"].obs["cell_type"].to_numpy()
    for names in (("rna", "prot", "atac"), ("rna",), ("prot",)):
        mapped = model.map({name: data[name] for name in names}, batch_key="batch")
        guess = np.array(model.classes)[mapped.near.codes]
        assert (guess == truth).mean() > 0.85, names


def test_proteins_are_predicted_from_genes(
    data: dict[str, AnnData], model: MultiomicsModel
) -> None:
    """Markers of a type are high where they are measured high."""
    found = model.impute({"rna": data["rna"]}, "prot", log=True, batch_key="batch")
    truth = np.log1p(data["prot"].X.toarray())
    assert found.columns.tolist() == data["prot"].var_names.tolist()
    r = [np.corrcoef(found.iloc[:, j], truth[:, j])[0, 1] for j in range(truth.shape[1])]
    assert np.mean(r) > 0.7
    assert model.reliability("prot").between(0.3, 1).all()


def test_own_values_do_not_enter_imputed_proteins(
    data: dict[str, AnnData], model: MultiomicsModel
) -> None:
    """Predictions of proteins are the same whether they were measured or not."""
    alone = model.impute({"rna": data["rna"]}, "prot", batch_key="batch")
    beside = model.impute({"rna": data["rna"], "prot": data["prot"]}, "prot", batch_key="batch")
    np.testing.assert_allclose(alone, beside, rtol=1e-4)


@pytest.mark.parametrize("what", ["cells", "features", "mates"])
def test_embedding_does_not_depend_on(
    what: str, data: dict[str, AnnData], model: MultiomicsModel
) -> None:
    """Order of cells, order of features, and other cells in the call."""
    rng = np.random.default_rng(0)
    expected = model.map(data, batch_key="batch").embedding
    rows = {
        "cells": rng.permutation(150),
        "features": np.arange(150),
        "mates": np.arange(0, 150, 7),
    }[what]
    changed = {}
    for name, adata in data.items():
        columns = rng.permutation(adata.n_vars) if what == "features" else np.arange(adata.n_vars)
        changed[name] = adata[rows][:, columns].copy()
    found = model.map(changed, batch_key="batch").embedding
    np.testing.assert_allclose(found, expected[rows], atol=1e-4)


def test_fit_does_not_depend_on_order() -> None:
    """Cells and features in another order give the same embedding."""
    one, rng = cells(n_cells=60, n_peaks=0), np.random.default_rng(1)
    rows = rng.permutation(60)
    other = {n: a[rows][:, rng.permutation(a.n_vars)].copy() for n, a in one.items()}
    quick = MultiomicsTraining(epochs=2, n_latent=4)
    for data in (one, other):
        multiomics(data, training=quick)
    np.testing.assert_allclose(
        other["rna"].obsm["X_scmamba"], one["rna"].obsm["X_scmamba"][rows], atol=1e-4
    )


def test_what_was_not_measured_is_not_zero(
    data: dict[str, AnnData], model: MultiomicsModel
) -> None:
    """Cells without proteins: as if the modality did not exist, and no weight for it."""
    some = {"rna": data["rna"], "prot": data["prot"][:100].copy()}
    mapped = model.map(some, batch_key="batch")
    rna = model.map({"rna": data["rna"]}, batch_key="batch")
    np.testing.assert_allclose(mapped.embedding[100:], rna.embedding[100:], atol=1e-5)
    assert (mapped.weights["prot"][100:] == 0).all()
    assert np.isnan(mapped.by_modality["prot"][100:]).all()
    zeros = data["prot"].copy()
    zeros.X = zeros.X * 0.0
    zeros.X[:100] = data["prot"].X[:100]
    padded = model.map({"rna": data["rna"], "prot": zeros}, batch_key="batch")
    np.testing.assert_allclose(padded.embedding, mapped.embedding, atol=1e-5)


def test_one_modality_is_told_where_a_model_is_fitted(
    model: MultiomicsModel, data: dict[str, AnnData], capsys: pytest.CaptureFixture[str]
) -> None:
    """Cells that are mapped may have one; to fit on one is hardly meant."""
    scmamba.settings.verbosity = "warning"
    model.map({"rna": data["rna"]}, batch_key="batch")
    assert "integrate is meant" not in capsys.readouterr().err
    multiomics({"rna": cells(n_cells=60)["rna"]}, training=MultiomicsTraining(epochs=1, n_latent=4))
    assert "integrate is meant" in capsys.readouterr().err


def test_mosaic_without_a_cell_that_has_everything() -> None:
    """Some cells have genes and proteins, others genes and peaks: genes are told by either."""
    parts = cells()
    mosaic = {"rna": parts["rna"], "prot": parts["prot"][:80].copy()}
    mosaic["atac"] = parts["atac"][80:].copy()
    found = multiomics(mosaic, batch_key="batch", training=QUICK)
    for name in ("rna", "prot"):
        assert found.reliability(name).notna().any(), name
    assert np.isfinite(found.impute({"atac": parts["atac"]}, "prot", batch_key="batch")).all(None)


def test_mosaic_is_fitted() -> None:
    """Half of the cells lack proteins, others lack genes; all are embedded and told apart."""
    data = cells(n_peaks=0)
    mosaic = {"rna": data["rna"][:120].copy(), "prot": data["prot"][60:].copy()}
    model = multiomics(mosaic, labels_key="cell_type", training=QUICK)
    assert np.isfinite(mosaic["prot"].obsm["X_scmamba"]).all()
    truth = data["rna"].obs["cell_type"]
    mapped = model.map(mosaic)
    guess = np.array(model.classes)[mapped.near.codes]
    assert (guess == truth[mapped.obs_names].to_numpy()).mean() > 0.8


def test_saved_model_is_the_same(
    tmp_path: Any, data: dict[str, AnnData], model: MultiomicsModel
) -> None:
    """Embedding, imputed values and reliability after a round trip."""
    loaded = MultiomicsModel.load(model.save(tmp_path / "model"))
    one, two = (m.map(data, batch_key="batch").embedding for m in (model, loaded))
    np.testing.assert_allclose(one, two, atol=1e-6)
    for name in model.names:
        a, b = (m.impute(data, name, batch_key="batch") for m in (model, loaded))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(model.reliability(name), loaded.reliability(name))
    assert repr(loaded) == repr(model)


def test_mamba_layers_start_as_the_identity(data: dict[str, AnnData]) -> None:
    """With layers a fit runs, keeps the bag beside it, and embeds without batch effects of size."""
    small = {name: adata[:12].copy() for name, adata in data.items()}
    training = MultiomicsTraining(epochs=1, n_layer=1, mamba_epochs=1, n_latent=4, width=16)
    model = multiomics(small, training=training)
    assert model.without_layers is not None
    one = model.map(small).embedding
    two = model.map({name: adata[:5].copy() for name, adata in small.items()}).embedding
    np.testing.assert_allclose(one[:5], two, atol=1e-4)


@pytest.mark.parametrize(("n_cells", "network"), [(120, "trial"), (40, "training")])
def test_what_the_time_limit_cut_is_told(n_cells: int, network: str) -> None:
    """In the model and with the results; without held-out cells there is no trial."""
    data = cells(n_cells=n_cells, n_genes=60, n_peaks=0)
    model = multiomics(data, training=replace(QUICK, epochs=100_000, max_minutes=0.02))
    assert model.about["max_minutes"] == 0.02
    assert f"of 100000 epochs ({network})" in model.about["cut"]
    assert data["rna"].uns["scmamba"]["cut"] == model.about["cut"]


@pytest.mark.parametrize(
    ("n_cells", "seconds", "given"),
    [
        (120, 10, {"trial": 24, "training": 60 - 20 - 2 * 10}),
        (120, 20, {"trial": 24}),
        (40, 10, {"training": 54}),
    ],
    ids=["two networks", "no time for the second", "none held out"],
)
def test_time_for_predictors_is_kept_back(
    monkeypatch: pytest.MonkeyPatch, n_cells: int, seconds: int, given: dict[str, int]
) -> None:
    """As much as they took after the first of two networks, which takes 20 seconds of 60."""
    from scmamba.tasks._multiomics import fit
    from scmamba.train import TimeBudget

    now, found = [0.0], {}
    learn, predictors = fit.learn, fit.fit_predictors

    def learning(*args: Any, text: str) -> Any:
        found[text] = args[-1].seconds_left
        learned = learn(*args, text=text)
        now[0] += 20
        return learned

    def fitting(*args: Any) -> Any:
        now[0] += seconds
        return predictors(*args)

    monkeypatch.setattr(fit, "TimeBudget", lambda minutes: TimeBudget(minutes, lambda: now[0]))
    monkeypatch.setattr(fit, "learn", learning)
    monkeypatch.setattr(fit, "fit_predictors", fitting)
    quick = MultiomicsTraining(epochs=1, n_latent=4, max_minutes=1)
    model = multiomics(cells(n_cells=n_cells, n_genes=60, n_peaks=0), training=quick)
    assert found == pytest.approx(given)
    assert ("1 of 2 networks" in model.about["cut"]) == (seconds == 20)


def test_pretrained_model_starts_a_fit(golden: Any) -> None:
    """Genes start at the vectors of a published checkpoint with batch embeddings."""
    data = cells(n_cells=60, n_genes=40, n_peaks=0)
    data["rna"].var_names = [f"GENE{i}" for i in range(40)]
    quick = MultiomicsTraining(epochs=1, n_latent=4)
    folder = golden / "scmamba2_batch_tiny"
    model = multiomics(data, batch_key="batch", model=folder, training=quick)
    assert "genes of" in model.about["started_at"]
    plain = multiomics(data, batch_key="batch", training=quick)
    wide, narrow = (m.trained.network.sizes.d_model[0] for m in (model, plain))
    assert wide == narrow + 32


def test_mamba_layers_of_a_pretrained_model_start_a_fit(golden: Any, tmp_path: Any) -> None:
    """Layers are its first ones, at its width, before they are trained; they are saved."""
    from scmamba.models import load
    from scmamba.tasks._multiomics.mixer import Mixer
    from scmamba.tasks._multiomics.pretrained_start import layer_sizes, start_layers
    from scmamba.tasks._multiomics.sizes import Sizes

    net, genes = load(golden / "scmamba2_batch_tiny"), [f"GENE{i}" for i in range(40)]
    sizes = layer_sizes(net, Sizes(("rna", "prot"), (40, 6), (50, 6), n_layer=1))
    mixer = Mixer(sizes)
    start_layers(mixer, net, [genes, ["a"] * 6], sizes.kinds)
    for name, value in net.stack.layers[0].state_dict().items():
        np.testing.assert_array_equal(mixer.stack.layers[0].state_dict()[name], value)
    data = cells(n_cells=20, n_genes=40, n_peaks=0)
    data["rna"].var_names = genes
    training = MultiomicsTraining(epochs=1, mamba_epochs=1, n_layer=1, n_latent=4)
    model = multiomics(data, model=net, training=training)
    assert model.trained.network.sizes.width == net.config.encoder.d_model
    loaded = MultiomicsModel.load(model.save(tmp_path / "model"))
    one, two = (m.map(data).embedding for m in (model, loaded))
    np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": "random"}, "allowed: 'genome'"),
        ({"batch_key": "donor"}, "donor"),
        ({"labels_key": "nothing"}, "nothing"),
        ({"modalities": {"prot": "ADT"}}, "not in the"),
        ({"impute": "yes"}, "True or False"),
        ({"model": "no/such/folder"}, "no such folder"),
        ({"training": {"epochs": 1}}, "MultiomicsTraining"),
    ],
    ids=["order", "batch", "labels", "modalities", "impute", "model", "training"],
)
def test_wrong_options_change_nothing(change: dict[str, Any], message: str) -> None:
    """One clear error before any work."""
    data = cells(n_cells=20, n_peaks=0)
    with pytest.raises(ScmambaError, match=message):
        multiomics(data, **change)
    assert not data["rna"].obsm and "scmamba" not in data["rna"].uns


def test_wrong_data_is_refused(data: dict[str, AnnData], model: MultiomicsModel) -> None:
    """Empty modalities, unknown kinds, features that the model does not know."""
    with pytest.raises(ScmambaError, match="empty"):
        multiomics({"rna": data["rna"], "prot": data["prot"][:, :0].copy()})
    with pytest.raises(ScmambaError, match="none is RNA"):
        multiomics({"spatial": data["prot"]})
    renamed = data["rna"].copy()
    renamed.var_names = [f"other_{i}" for i in range(renamed.n_vars)]
    with pytest.raises(ScmambaError, match="at least half"):
        model.map({"rna": renamed}, batch_key="batch")
    shifted = data["atac"].copy()
    shifted.var_names = [f"chr1:{i}-{i + 50}" for i in range(shifted.n_vars)]
    with pytest.raises(ScmambaError, match="of one genome build"):
        model.map({"rna": data["rna"], "atac": shifted}, batch_key="batch")
    with pytest.raises(ScmambaError, match="was not fitted"):
        model.impute(data, "spatial")
    with pytest.raises(ScmambaError, match="kl=-1; give"):
        MultiomicsObjectives(kl=-1)


def test_what_is_for_a_fit_is_refused_where_cells_are_mapped(
    data: dict[str, AnnData], model: MultiomicsModel
) -> None:
    """All that was given is named at once."""
    given = {"order": "shuffled", "n_top_genes": 10, "labels_key": "cell_type", "training": QUICK}
    with pytest.raises(ScmambaError, match="labels_key=, order=, n_top_genes=, training=; model="):
        multiomics(data, batch_key="batch", model=model, **given)


def test_layers_are_mapped_and_imputed_from(
    data: dict[str, AnnData], model: MultiomicsModel
) -> None:
    """Counts in a layer are the same as in X."""
    moved = {name: adata[:9].copy() for name, adata in data.items()}
    part = {name: adata.copy() for name, adata in moved.items()}
    for adata in moved.values():
        adata.layers["counts"] = adata.X.copy()
        adata.X = adata.X * 0.5
    options = {"batch_key": "batch", "layer": "counts"}
    expected = model.map(part, batch_key="batch").embedding
    np.testing.assert_array_equal(model.map(moved, **options).embedding, expected)
    imputed = model.impute(part, "prot", batch_key="batch")
    np.testing.assert_array_equal(model.impute(moved, "prot", **options), imputed)


def test_mapped_cells_print_a_summary(data: dict[str, AnnData], model: MultiomicsModel) -> None:
    """Numbers of cells, no arrays."""
    some = {"rna": data["rna"], "prot": data["prot"][:50].copy()}
    text = repr(model.map(some, batch_key="batch"))
    assert "150, embedded in 6 dimensions" in text and "measured in 50 cells" in text
    assert "array(" not in text and len(text.splitlines()) < 8


def test_features_of_two_panels_are_told_by_batch() -> None:
    """Half of the cells, of one batch, were stained with four proteins of six."""
    data = cells(n_cells=60, n_genes=60, n_peaks=0)
    batch = data["rna"].obs["batch"].astype(str)
    first, second = sorted(set(batch))
    parts = [
        {"rna": data["rna"][rows].copy(), "prot": data["prot"][rows, :n].copy()}
        for rows, n in ((batch == first, 6), (batch == second, 4))
    ]
    model = multiomics(parts, batch_key="batch", training=MultiomicsTraining(epochs=1, n_latent=4))
    told = model.about["measured_features_by_batch"]
    n_genes = model.about["n_features"]["rna"]
    assert told == {first: {"rna": n_genes, "prot": 6}, second: {"rna": n_genes, "prot": 4}}


def test_files_and_command_line(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """An AnnData with proteins goes through the command; a saved model maps it again."""
    from scmamba.cli.main import main

    data = cells(n_cells=40, n_peaks=0)
    adata = data["rna"]
    adata.obsm["protein_expression"] = data["prot"].to_df()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    made, saved = str(tmp_path / "made.h5ad"), str(tmp_path / "model")
    command = ["multiomics", str(tmp_path / "cells.h5ad"), "--output", made]
    fit = [*command, "--save-model", saved, "--impute", "true", "--training.epochs", "1"]
    assert main(fit) == 0
    first = ad.read_h5ad(made)
    assert first.obsm["scmamba_imputed_prot"].shape == (40, 6)
    adata[:30].write_h5ad(tmp_path / "cells.h5ad")
    assert "40 cells fitted" in capsys.readouterr().out
    assert main([*command, "--model", saved]) == 0
    assert "30 cells mapped" in capsys.readouterr().out
    np.testing.assert_allclose(
        ad.read_h5ad(made).obsm["X_scmamba"], first.obsm["X_scmamba"][:30], atol=1e-4
    )
    assert main([*command[:2], "--output", str(tmp_path / "made.h5mu")]) == 2


def test_mudata_keeps_its_names_and_is_untouched_on_failure(tmp_path: Any) -> None:
    """Results at the top, imputed values in modalities of other names; as a file too."""
    mudata = pytest.importorskip("mudata")
    data = cells(n_cells=40, n_peaks=0)
    data["prot"].var_names = [f"CD{i}_TotalSeqB" for i in range(6)]
    mdata = mudata.MuData({"rna": data["rna"], "adt": data["prot"][:30].copy()})
    with pytest.raises(ScmambaError):
        multiomics(mdata, batch_key="donor")
    assert "X_scmamba" not in mdata.obsm and not mdata.mod["adt"].layers
    mdata.write_h5mu(tmp_path / "cells.h5mu")
    quick = MultiomicsTraining(epochs=1, n_latent=4)
    model = multiomics(mdata, impute=True, training=quick)
    assert mdata.obsm["X_scmamba"].shape == (40, 4)
    assert np.isfinite(mdata.mod["adt"].layers["scmamba_imputed"]).all()
    assert model.impute(mdata, "prot").columns[0] == "CD0_TotalSeqB"
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=FutureWarning, module="mudata")
        multiomics(tmp_path / "cells.h5mu", model=model, output=tmp_path / "made.h5mu")
    made = mudata.read_h5mu(tmp_path / "made.h5mu")
    np.testing.assert_allclose(made.obsm["X_scmamba"], mdata.obsm["X_scmamba"], atol=1e-4)
    mudata.MuData({"rna": data["rna"], "adt": mdata.mod["adt"]}).write_zarr(tmp_path / "cells.zarr")
    with pytest.raises(ScmambaError, match="ends in .h5mu"):
        multiomics(tmp_path / "cells.zarr", model=model, output=tmp_path / "made.h5ad")
    multiomics(tmp_path / "cells.zarr", model=model, output=tmp_path / "other.h5mu")
    made = mudata.read_h5mu(tmp_path / "other.h5mu")
    np.testing.assert_allclose(made.obsm["X_scmamba"], mdata.obsm["X_scmamba"], atol=1e-4)
