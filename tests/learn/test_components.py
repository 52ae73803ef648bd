"""Principal components within batches against a dense singular value decomposition."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scmamba.learn.components import Components


def _values(shift: float, n: int = 300, n_genes: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Cells along three axes of expression; the second batch is moved along a gene of its own."""
    rng = np.random.default_rng(0)
    batch_ids = rng.integers(0, 2, n)
    loadings = rng.normal(size=(3, n_genes)) * np.array([[4.0], [3.0], [2.0]])
    values = rng.normal(size=(n, 3)) @ loadings + rng.normal(size=(n, n_genes))
    values[:, -1] += shift * batch_ids
    return values.astype(np.float32), batch_ids


def _centered(values: np.ndarray, batch_ids: np.ndarray) -> np.ndarray:
    means = np.stack([values[batch_ids == b].mean(0) for b in range(batch_ids.max() + 1)])
    return values - means[batch_ids]


def test_axes_are_those_of_a_dense_decomposition_within_batches() -> None:
    values, batch_ids = _values(shift=50.0)
    fitted = Components.fit(sparse.csr_matrix(values), batch_ids, 3, spread=2.0, seed=0)
    wanted = np.linalg.svd(_centered(values, batch_ids), full_matrices=False)[2][:3].T
    axes = fitted.axes / np.linalg.norm(fitted.axes, axis=0)
    np.testing.assert_allclose(np.abs((axes * wanted).sum(0)), 1, atol=1e-4)
    np.testing.assert_allclose(
        fitted.axes.T @ fitted.axes, (fitted.axes**2)[:, 0].sum() * np.eye(3), atol=1e-5
    )


def test_cells_have_the_spread_asked_for_and_their_mean_at_zero() -> None:
    values, batch_ids = _values(shift=50.0)
    cells = sparse.csr_matrix(values)
    found = Components.fit(cells, batch_ids, 3, spread=2.0, seed=0).of(cells)
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-3)
    inside = _centered(found, batch_ids)
    np.testing.assert_allclose(np.sqrt((inside**2).sum(1).mean()), 2.0, rtol=1e-4)


def test_no_more_components_than_cells_and_genes_allow() -> None:
    values, batch_ids = _values(0.0, n=6, n_genes=4)
    fitted = Components.fit(sparse.csr_matrix(values), batch_ids, 20, spread=1.0, seed=0)
    assert fitted.axes.shape == (4, 3)


def test_cells_that_are_all_alike_have_no_components() -> None:
    cells = sparse.csr_matrix(np.ones((8, 5), np.float32))
    fitted = Components.fit(cells, np.repeat([0, 1], 4), 2, spread=1.0, seed=0)
    np.testing.assert_array_equal(fitted.of(cells), np.zeros((8, 2)))
