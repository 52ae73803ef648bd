"""Metrics that values induce on a latent."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from scmamba.learn.latent_scale import induced_metric, scale_by


def test_metric_is_that_of_least_squares_in_fractions_of_variance() -> None:
    rng = np.random.default_rng(0)
    latent, ids = rng.normal(size=(300, 3)).astype(np.float32), rng.integers(0, 2, 300)
    values = latent @ rng.normal(size=(3, 8)) + rng.normal(size=(300, 8)) + 5 * ids[:, None]
    z, x = (np.array(one, float) for one in (latent, values))
    for batch in (0, 1):
        z[ids == batch] -= z[ids == batch].mean(0)
        x[ids == batch] -= x[ids == batch].mean(0)
    loadings = np.linalg.lstsq(z, x, rcond=None)[0]
    wanted = loadings @ loadings.T / (x**2).sum()
    found = induced_metric(latent, sparse.csr_matrix(values), ids)
    np.testing.assert_allclose(found, wanted, rtol=0.01, atol=1e-3 * wanted.max())
    twice = induced_metric(latent, sparse.csr_matrix(2 * values), ids)
    np.testing.assert_allclose(twice, found, rtol=1e-5)


def test_modalities_that_explain_other_axes_are_added() -> None:
    rng = np.random.default_rng(1)
    latent, ids = rng.normal(size=(400, 3)).astype(np.float32), np.zeros(400, np.int64)
    first, second = (sparse.csr_matrix(latent[:, [i]] * 3.0) for i in (0, 1))
    metrics = [induced_metric(latent, one, ids) for one in (first, second)]
    scale = scale_by(metrics, latent, ids)
    np.testing.assert_allclose(scale[0, 0] / scale[1, 1], 1, rtol=0.1)
    assert abs(scale[2]).max() < 0.1 * scale[0, 0]
    np.testing.assert_allclose((latent @ scale).var(0).sum(), latent.var(0).sum(), rtol=0.01)
