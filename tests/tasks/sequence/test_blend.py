"""Two views to one, as held-out sequences would have it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import log_loss

from scmamba.tasks.sequence._supervised.blend import SHARES, Blend, fit_blend, loss


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_probabilities_are_averaged_at_their_temperatures(rng: np.random.Generator) -> None:
    wide, deep = rng.normal(size=(2, 5, 3))
    blend = Blend("classification", 0.3, 2.0, 0.5)
    expected = 0.7 * softmax(wide / 2, 1) + 0.3 * softmax(deep / 0.5, 1)
    np.testing.assert_allclose(blend(wide, deep), expected)
    np.testing.assert_allclose(blend(wide, None), softmax(wide / 2, 1))
    np.testing.assert_allclose(blend(None, deep), softmax(deep / 0.5, 1))
    np.testing.assert_allclose(
        Blend("multilabel", 0.5)(wide, deep), (expit(wide) + expit(deep)) / 2
    )
    np.testing.assert_allclose(Blend("regression", 0.25)(wide, deep), 0.75 * wide + 0.25 * deep)


def test_a_view_of_noise_gets_no_share(rng: np.random.Generator) -> None:
    codes = rng.integers(0, 3, 300)
    good, noise = 3 * np.eye(3)[codes] + rng.normal(size=(300, 3)), rng.normal(size=(300, 3))
    assert fit_blend("classification", noise, good, codes).deep_share >= 0.9
    assert fit_blend("classification", good, noise, codes).deep_share <= 0.1


def test_share_and_temperature_are_the_best_of_all_tried(rng: np.random.Generator) -> None:
    codes = rng.integers(0, 2, 200)
    wide, deep = (5 * np.eye(2)[codes] + rng.normal(size=(200, 2)) * 5 for _ in range(2))
    blend = fit_blend("classification", wide, deep, codes)
    assert 0 < blend.deep_share < 1
    same = {"wide_temperature": blend.wide_temperature, "deep_temperature": blend.deep_temperature}
    trials = [Blend("classification", share, **same)(wide, deep) for share in SHARES]
    losses = [loss("classification", said, codes) for said in trials]
    assert blend.deep_share == SHARES[int(np.argmin(losses))]
    best = smoothed_loss(blend(wide, deep), codes)
    assert best < smoothed_loss(trials[int(np.argmin(losses))], codes)
    for t in (0.9, 1.1):
        assert best < smoothed_loss(
            replace(blend, temperature=t * blend.temperature)(wide, deep), codes
        )
    np.testing.assert_allclose(blend(wide, deep).sum(1), 1)
    assert fit_blend("classification", None, deep, codes).deep_share == 1


def smoothed_loss(said: np.ndarray, codes: np.ndarray) -> float:
    """One label in n + 2 of another class, element by element."""
    n, k = said.shape
    total = 0.0
    for row, code in zip(said, codes, strict=True):
        for j in range(k):
            truth = 1 - 1 / (n + 2) if j == code else 1 / (n + 2) / (k - 1)
            total -= truth * np.log(row[j])
    return total / n


def test_held_out_sequences_all_told_apart_do_not_make_it_certain() -> None:
    codes = np.arange(40) % 2
    sure = 30.0 * np.eye(2)[codes]
    said = fit_blend("classification", sure, sure, codes)(sure, sure)
    np.testing.assert_allclose(said[np.arange(40), codes], 41 / 42, atol=1e-3)


def test_losses(rng: np.random.Generator) -> None:
    codes, p = rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), 50)
    assert loss("classification", p, codes) == pytest.approx(log_loss(codes, p))
    labels, q = rng.integers(0, 2, (50, 2)), rng.random((50, 2))
    each = [log_loss(labels[:, i], q[:, i]) for i in range(2)]
    assert loss("multilabel", q, labels) == pytest.approx(np.mean(each))
    assert np.isfinite(loss("classification", np.eye(3)[(codes + 1) % 3], codes))
    assert loss("regression", q, q + 2) == pytest.approx(4)
