"""Kept arrays say what scikit-learn says."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from scmamba.tasks._annotation.linear import fit_linear


@pytest.fixture
def x():
    rng = np.random.default_rng(0)
    return rng.poisson(1.0, (80, 12)).astype(np.float32) * rng.uniform(0.2, 4, 12).astype("f4")


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_probabilities_are_scikit_learns(x, n_classes, form) -> None:
    codes = np.random.default_rng(1).integers(0, n_classes, 80)
    found = fit_linear(form(x), codes, n_classes)
    peer = LogisticRegression(class_weight="balanced", max_iter=300).fit(form(x), codes)
    np.testing.assert_allclose(
        softmax(found.logits(form(x)), 1), peer.predict_proba(form(x)), atol=1e-6
    )


@pytest.mark.parametrize("n_classes", [2, 3])
def test_standardised_features_are_given_as_they_were(x, n_classes) -> None:
    codes = np.random.default_rng(1).integers(0, n_classes, 80)
    found = fit_linear(x, codes, n_classes, standardise=True, C=0.1)
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
        found = fit_linear(x, codes, 2, standardise=True)
    assert np.isfinite(found.logits(x)).all()
