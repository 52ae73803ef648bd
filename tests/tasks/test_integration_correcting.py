"""Principal components beside the latent: when they are taken, mapped, saved and decoded around."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from scmamba.datasets import synthetic
from scmamba.tasks import IntegrationTraining, Integrator, integrate
from scmamba.tasks._integration.correcting import correct_with_components

TINY = IntegrationTraining(epochs=6, batch_size=32, learning_rate=5e-3, width=16, n_latent=5)


def _expression(batch_of_noise: bool, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expression of three types in two batches, of which one may be noise, and the types alone."""
    rng = np.random.default_rng(0)
    batch_ids, types = np.repeat([0, 1], n), rng.integers(0, 3, 2 * n)
    values = rng.normal(0, 0.3, (2 * n, 40))
    values[np.arange(2 * n)[:, None], 10 * types[:, None] + np.arange(10)] += 2
    if batch_of_noise:
        values[n:] = rng.normal(0, 3.0, (n, 40))
    latent = 3.0 * np.eye(3)[types] + rng.normal(0, 0.3, (2 * n, 3))
    return latent.astype(np.float32), values.astype(np.float32), batch_ids


def test_as_many_components_as_the_latent_has_dimensions_and_as_much_spread() -> None:
    latent, values, batch_ids = _expression(batch_of_noise=False)
    found = correct_with_components(latent, sparse.csr_matrix(values), batch_ids, 0)
    assert found.embedding.shape == (800, 6)
    spread = found.embedding.var(0).reshape(2, 3).sum(1)
    np.testing.assert_allclose(spread[0], spread[1], rtol=0.1)


def test_components_that_bring_batches_back_are_left_out() -> None:
    latent, values, batch_ids = _expression(batch_of_noise=True)
    assert correct_with_components(latent, sparse.csr_matrix(values), batch_ids, 0) is None


@pytest.fixture
def batched():
    """Cells of 60 genes in three batches that differ by chance alone."""
    cells = synthetic(240, 60, 3, n_batches=3, human=True)
    types = cells.obs["cell_type"].astype("category").cat.codes.to_numpy()
    rng = np.random.default_rng(0)
    counts = rng.poisson(1, cells.shape)
    counts[np.arange(240)[:, None], 20 * types[:, None] + np.arange(20)] += rng.poisson(
        9, (240, 20)
    )
    cells.X = sparse.csr_matrix(counts, dtype=np.float32)
    return cells


@pytest.mark.parametrize("n_layer", [0, 1])
def test_components_are_mapped_and_saved(batched, tmp_path, n_layer) -> None:
    fitted = integrate(batched, "batch", training=replace(TINY, n_layer=n_layer))
    assert fitted.about["correction"]["components"] == 5
    assert batched.obsm["X_scmamba"].shape == (240, 10)
    assert "5 principal components" in repr(fitted)
    loaded = Integrator.load(fitted.save(tmp_path / "saved"))
    mapped = loaded.map(batched, "batch").embedding
    np.testing.assert_allclose(mapped, batched.obsm["X_scmamba"], atol=1e-3)


def test_cells_of_a_new_batch_land_where_their_type_is(batched) -> None:
    fitted = integrate(batched, "batch", training=TINY)
    assert fitted.components is not None
    new = fitted.map(batched).embedding
    types = batched.obs["cell_type"].to_numpy()
    kinds = sorted(set(types))
    there = np.stack([batched.obsm["X_scmamba"][types == kind].mean(0) for kind in kinds])
    nearest = ((new[:, None] - there) ** 2).sum(2).argmin(1)
    assert (np.array(kinds)[nearest] == types).mean() > 0.95


def test_expression_is_decoded_from_the_latent_alone(batched) -> None:
    fitted = integrate(batched, "batch", training=TINY, correct=True)
    cells, depth = batched.obsm["X_scmamba"], np.asarray(batched.X.sum(1)).ravel()
    decoded = fitted.corrected(cells, depth).toarray()
    np.testing.assert_allclose(fitted.corrected(cells[:, :5], depth).toarray(), decoded)
    layer = batched.layers["scmamba_corrected"][
        :, batched.var_names.get_indexer(fitted.panel.names)
    ]
    np.testing.assert_allclose(layer.toarray(), decoded, rtol=1e-5)


def test_a_folder_saved_without_components_is_read(batched, tmp_path) -> None:
    fitted = integrate(batched, "batch", training=TINY)
    latent = replace(fitted.reference, embedding=fitted.reference.embedding[:, :5])
    old = replace(fitted, reference=latent, correction=None, components=None)
    loaded = Integrator.load(old.save(tmp_path / "old"))
    assert loaded.components is None
    assert loaded.map(batched, "batch").embedding.shape == (240, 5)


def test_labels_shape_the_latent_and_no_components_stand_beside_it(batched) -> None:
    fitted = integrate(batched, "batch", labels_key="cell_type", training=TINY)
    assert fitted.components is None
    assert batched.obsm["X_scmamba"].shape == (240, 5)
