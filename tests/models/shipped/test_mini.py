"""The backbone inside the package: whole, small, and of use on cells that it never saw."""

from __future__ import annotations

import numpy as np
import pytest

import scmamba
from scmamba.models import load
from scmamba.models.shipped import shipped

NAME = "scmamba-mini"


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scmamba.settings, "verbosity", "error")
    adata = scmamba.datasets.synthetic(50, 400, 2, 2, seed=3)
    genes = load(NAME).vocab.genes
    adata.var_names = list(np.random.default_rng(0).choice(genes, 400, replace=False))
    return adata


def test_its_files_are_those_of_the_card() -> None:
    card = shipped(NAME, "backbone")
    folder = card.check()
    assert card.size < 8 * 2**20
    assert card.organism == "human" and card.n_cells > 20_000
    assert card.license and card.recipe and card.limits and card.figures
    assert {one.name for one in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "vocab.json",
    }


def test_it_embeds_human_cells_as_itself_and_in_any_order(cells) -> None:
    model = load(NAME)
    assert model.report.complete and model.name == NAME
    scmamba.tasks.embed(cells, NAME)
    x = cells.obsm["X_scmamba"]
    assert x.shape == (50, model.config.d_cell) and np.isfinite(x).all()
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-5)
    mixed = cells[::-1, ::-1].copy()
    scmamba.tasks.embed(mixed, model)
    np.testing.assert_allclose(mixed.obsm["X_scmamba"][::-1], x, atol=1e-4)


def test_types_are_named_and_batches_integrated_from_it(cells) -> None:
    known = cells.obs["cell_type"].astype(str).to_numpy()
    hidden = known.copy()
    hidden[::3] = "unknown"
    cells.obs["partly"] = hidden
    short = scmamba.tasks.AnnotationTraining(epochs=1, n_members=1)
    scmamba.tasks.annotate(cells, labels_key="partly", model=NAME, training=short)
    assert set(cells.obs["scmamba_best_guess"].dropna()) <= set(known)
    scmamba.tasks.integrate(cells, "batch", model=NAME)
    assert np.isfinite(cells.obsm["X_scmamba"]).all()
