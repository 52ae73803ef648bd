"""Which batches are normalized each by itself, and integrations in which all are together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from scmamba.datasets import synthetic
from scmamba.nn.norm import DomainBatchNorm
from scmamba.tasks import IntegrationTraining, Integrator, integrate
from scmamba.tasks._integration.batch_effects import batches_compare

TINY = IntegrationTraining(epochs=4, batch_size=32, learning_rate=5e-3, width=16, n_latent=5)


def _values(types: np.ndarray, shift: np.ndarray, seed: int = 0) -> sparse.csr_matrix:
    """Expression of 40 genes: ten of each type are higher, the last ten follow the batch."""
    values = np.random.default_rng(seed).normal(1, 0.3, (len(types), 40))
    values[np.arange(len(types))[:, None], 10 * types[:, None] + np.arange(10)] += 2
    values[:, 30:] += shift[:, None]
    return sparse.csr_matrix(np.maximum(values, 0))


def _batches(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([0, 1], n), np.random.default_rng(1).integers(0, 3, 2 * n)


@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_batches_of_the_same_types_are_normalized_each_by_itself(shift) -> None:
    ids, types = _batches()
    assert batches_compare(_values(types, shift * ids), ids, 0)


def test_batches_of_which_one_holds_one_type_are_not() -> None:
    ids, types = _batches()
    assert not batches_compare(_values(np.where(ids == 1, 2, types), 2.0 * ids), ids, 0)


def test_a_batch_of_few_cells_decides_nothing() -> None:
    ids, types = _batches()
    ids[-3:] = 2
    assert batches_compare(_values(types, 2.0 * (ids > 0)), ids, 0)


@pytest.fixture
def uneven():
    """Cells of 60 genes in two batches, the second of one type alone."""
    cells = synthetic(240, 60, 3, n_batches=2, human=True)
    types = cells.obs["cell_type"].astype("category").cat.codes.to_numpy()
    rng = np.random.default_rng(0)
    counts = rng.poisson(1, cells.shape)
    counts[np.arange(240)[:, None], 20 * types[:, None] + np.arange(20)] += rng.poisson(
        9, (240, 20)
    )
    cells.X = sparse.csr_matrix(counts, dtype=np.float32)
    return cells[(cells.obs["batch"] == "batch_0") | (types == 0)].copy()


def test_batches_normalized_together_are_integrated_mapped_and_saved(uneven, tmp_path) -> None:
    fitted = integrate(uneven, "batch", training=TINY)
    assert fitted.about["normed"] == "together"
    assert not isinstance(fitted.model.cell_norm, DomainBatchNorm)
    assert "correction" in repr(fitted)
    loaded = Integrator.load(fitted.save(tmp_path / "saved"))
    mapped = loaded.map(uneven, "batch")
    np.testing.assert_allclose(mapped.embedding, uneven.obsm["X_scmamba"], atol=1e-4)
    assert set(mapped.normed_as.values()) == {"all batches"}
    new = loaded.map(uneven[:40])
    assert np.isfinite(new.embedding).all()
    assert np.median(new.near.distance) < 2


def test_a_folder_saved_without_a_correction_is_read(uneven, tmp_path) -> None:
    fitted = integrate(uneven, "batch", training=TINY)
    old = replace(fitted, correction=None)
    loaded = Integrator.load(old.save(tmp_path / "old"))
    assert loaded.correction is None
    embedding = loaded.map(uneven, "batch").embedding
    codes = uneven.obs["batch"].str[-1].astype(int).to_numpy()
    np.testing.assert_allclose(
        fitted.correction.correct(embedding, codes), fitted.reference.embedding, atol=1e-4
    )


def test_uns_tells_what_the_correction_did(uneven) -> None:
    integrate(uneven, "batch", training=TINY)
    about = uneven.uns["scmamba"]
    assert about["normed"] == "together"
    assert 0 <= about["correction"]["moved"] < 1
    assert 0 < about["correction"]["mixing"] <= 1
