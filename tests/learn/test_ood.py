"""Cells of an unseen kind score higher than cells of known ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

from scmamba.datasets import synthetic
from scmamba.learn.axes import fit_axes, moments
from scmamba.learn.linear import fit_linear
from scmamba.learn.ood import (
    fit_class_gaussians,
    fit_ood_scorer,
    larger_shift,
    shift_by_batch,
)
from scmamba.pp import log_normalize


@pytest.fixture
def split():
    """Values, codes of three known types and rows: to learn from, held out, of a fourth type."""
    adata = synthetic(400, 120, 4)
    codes = adata.obs["cell_type"].cat.codes.to_numpy().astype(np.int64)
    known = np.flatnonzero(codes < 3)
    return log_normalize(adata.X), codes, known[::2], known[1::2], np.flatnonzero(codes == 3)


def test_an_unseen_type_is_stranger(split) -> None:
    values, codes, train, held, strange = split
    principal = fit_class_gaussians(fit_axes(values[train], 20), values[train], codes[train], 3)
    view = fit_linear(values[train], codes[train], 3)
    logits, distance = view.logits(values), principal.distance(values)
    found = fit_ood_scorer(logits[held], distance[held], 0.05)
    score = found.score(logits, distance)
    rows = np.concatenate([held, strange])
    assert roc_auc_score(codes[rows] == 3, score[rows]) > 0.95
    assert roc_auc_score(codes[rows] == 3, distance[rows]) > 0.7
    assert (score[held] > found.threshold).mean() == pytest.approx(0.05, abs=0.01)
    assert (score[strange] > found.threshold).mean() > 0.5


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_weights_of_uncertainty_and_distance(split, weight: float) -> None:
    values, codes, train, held, _ = split
    principal = fit_class_gaussians(fit_axes(values[train], 20), values[train], codes[train], 3)
    logits = fit_linear(values[train], codes[train], 3).logits(values)
    distance = principal.distance(values)
    found = fit_ood_scorer(logits[held], distance[held], 0.05, weight)
    other = distance if weight == 0 else -logits.max(1)
    order = np.argsort(other[held])
    assert (np.diff(found.score(logits[held], distance[held])[order]) >= 0).all()


def test_distance_is_mahalanobis_to_the_nearest_class(split) -> None:
    values, codes, train, held, _ = split
    found = fit_class_gaussians(fit_axes(values[train], 6), values[train], codes[train], 3)
    precision = found.whiten @ found.whiten.T
    z = found.coordinates(values[held])
    centers = [found.coordinates(values[train][codes[train] == c]).mean(0) for c in range(3)]
    slow = [min(np.sqrt((row - c) @ precision @ (row - c)) for c in centers) for row in z]
    np.testing.assert_allclose(found.distance(values[held]), slow, rtol=1e-6)


def test_components_are_those_of_standardised_values(split) -> None:
    values, codes, train, _, _ = split
    dense = values[train].toarray()
    mean, scale = moments(values[train])
    np.testing.assert_allclose(mean, dense.mean(0), rtol=1e-5)
    np.testing.assert_allclose(scale, dense.std(0) + 1e-2, rtol=1e-4)
    standard = np.clip((dense - dense.mean(0)) / (dense.std(0) + 0.11), -10, 10)
    found = fit_class_gaussians(fit_axes(values[train], 4), values[train], codes[train], 3)
    kept = np.linalg.norm(standard @ found.components) ** 2
    best = (np.linalg.svd(standard, compute_uv=False)[:4] ** 2).sum()
    assert kept == pytest.approx(best, rel=0.01)


def test_a_class_without_cells_is_never_the_nearest(split) -> None:
    values, codes, train, held, _ = split
    a = fit_class_gaussians(fit_axes(values[train], 20), values[train], codes[train], 3)
    b = fit_class_gaussians(fit_axes(values[train], 20), values[train], codes[train], 7)
    np.testing.assert_allclose(a.distance(values[held]), b.distance(values[held]))
    assert np.isnan(b.centers[3:]).all()


@pytest.mark.parametrize("shape", [(2, 5), (3, 1), (2, 1)])
def test_few_cells_and_genes(shape) -> None:
    x = sparse.csr_matrix(np.random.default_rng(0).random(shape).astype(np.float32))
    codes = np.arange(shape[0]) % 2
    found = fit_class_gaussians(fit_axes(x, 20), x, codes, 2)
    assert np.isfinite(found.distance(x)).all()
    assert found.distance(x[:0]).shape == (0,)


def test_confident_logits_are_less_strange() -> None:
    """Energy falls with the largest logit; large ones do not overflow."""
    logits = np.array([[800.0, 0.0], [5.0, 0.0], [0.0, 0.0]])
    found = fit_ood_scorer(logits, np.ones(3), 0.01)
    score = found.score(logits, np.ones(3))
    assert np.isfinite(score).all()
    assert score[0] < score[1] < score[2]


@pytest.mark.parametrize(("shift", "expected"), [(0.5, False), (0.61, False), (0.7, True)])
def test_shift_is_compared_with_held_out_batches(shift, expected) -> None:
    assert larger_shift(shift, {"a": 0.4, "b": 0.6}) is expected
    assert not larger_shift(shift, {})  # nothing was held out


def test_shift_without_batches() -> None:
    assert shift_by_batch(np.array([0.25, 0.75]), None) == {"all": 0.5}
