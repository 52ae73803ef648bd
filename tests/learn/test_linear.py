"""Kept arrays say what scikit-learn says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from scmamba.learn.linear import fit_linear


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return rng.poisson(1.0, (80, 12)).astype(np.float32) * rng.uniform(0.2, 4, 12).astype("f4")


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_probabilities_are_scikit_learns(x, n_classes, form) -> None:
    codes = np.random.default_rng(1).integers(0, n_classes, 80)
    found = fit_linear(form(x), codes, n_classes, balanced=True)
    peer = LogisticRegression(class_weight="balanced", max_iter=300).fit(form(x), codes)
    np.testing.assert_allclose(
        softmax(found.logits(form(x)), 1), peer.predict_proba(form(x)), atol=1e-6
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_standardized_features_are_given_as_they_were(x, n_classes) -> None:
    codes = np.random.default_rng(1).integers(0, n_classes, 80)
    found = fit_linear(x, codes, n_classes, standardize=True, penalty=10.0, balanced=True)
    z = StandardScaler().fit_transform(x.astype(np.float64))
    peer = LogisticRegression(C=0.1, class_weight="balanced", max_iter=300).fit(z, codes)
    np.testing.assert_allclose(softmax(found.logits(x), 1), peer.predict_proba(z), atol=1e-4)


def test_an_absent_class_is_never_predicted(x) -> None:
    codes = np.random.default_rng(1).choice([0, 3], 80)
    logits = fit_linear(x, codes, 5).logits(x)
    assert set(logits.argmax(1)) <= {0, 3}
    assert (logits[:, [1, 2, 4]] == -np.inf).all()
    assert np.isfinite(logits[:, [0, 3]]).all()
    assert (softmax(logits, 1)[:, [1, 2, 4]] == 0).all()


def test_constant_features_are_no_trouble(x) -> None:
    x[:, 0] = 3
    codes = np.random.default_rng(1).integers(0, 2, 80)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_linear(x, codes, 2, standardize=True)
    assert np.isfinite(found.logits(x)).all()


def test_numbers_are_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    numbers = x @ rng.normal(size=(4, 2)) + 3
    found = fit_linear(x, numbers, 2, kind="regression", penalty=1e-6)
    np.testing.assert_allclose(found.logits(x), numbers, atol=1e-4)
    binary = np.stack([x[:, 0] > 0, x[:, 1] > 0], 1).astype(np.float64)
    found = fit_linear(x, binary, 2, kind="regression").logits(x)  # numbers that are 0 and 1
    assert found.min() > -3 and found.max() < 4


def test_labels_are_learned_one_by_one() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    labels = np.stack([x[:, 0] > 0, np.ones(80)], 1).astype(np.float32)
    logits = fit_linear(x, labels, 2, kind="multilabel", penalty=0.1).logits(x)
    assert ((logits[:, 0] > 0) == (x[:, 0] > 0)).mean() > 0.95
    assert (logits[:, 1] > 3).all()  # a label that always holds
