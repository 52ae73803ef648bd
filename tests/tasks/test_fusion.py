"""Choices on held-out cells recover what was put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from scmamba.tasks._annotation.fusion import (
    Fusion,
    best_temperature,
    confidence_threshold,
    fit_fusion,
    log_loss,
)

FLAT = np.log(np.full(4, 0.25))


def drawn(n: int = 4000, sharpness: float = 2.0, seed: int = 0):
    """Calibrated logits, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n, 4))
    codes = (softmax(logits, 1).cumsum(1) < rng.random((n, 1))).sum(1)
    return logits, np.minimum(codes, 3)


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0, 12.0])
def test_temperature_recovers_a_known_scaling(scale) -> None:
    logits, codes = drawn()
    assert best_temperature(logits * scale, codes) == pytest.approx(scale, rel=0.08)


def test_views_are_brought_to_their_temperatures() -> None:
    logits, codes = drawn()
    found = fit_fusion(logits * 4, logits * 0.5, codes, FLAT)
    assert found.wide_temperature == pytest.approx(4, rel=0.08)
    assert found.deep_temperature == pytest.approx(0.5, rel=0.08)
    proba = np.exp(found.log_proba(logits * 4, logits * 0.5, FLAT))
    np.testing.assert_allclose(proba.sum(1), 1)
    np.testing.assert_allclose(proba, softmax(logits, 1), atol=0.05)


def test_noise_takes_no_part() -> None:
    codes = np.random.default_rng(0).integers(0, 4, 500)
    certain, noise = 6 * np.eye(4)[codes], np.random.default_rng(1).normal(size=(500, 4))
    assert fit_fusion(certain, noise, codes, FLAT).deep_share == 0


@pytest.mark.parametrize("swap", [False, True])
def test_noise_costs_nothing_on_other_cells(swap) -> None:
    def views(seed: int):
        logits, codes = drawn(sharpness=4, seed=seed)
        noise = 9 * np.random.default_rng(seed + 99).normal(size=logits.shape)
        return ((noise, logits) if swap else (logits, noise)), codes, logits

    both, codes, _ = views(0)
    found = fit_fusion(*both, codes, FLAT)
    both, codes, logits = views(1)
    guess = found.log_proba(*both, FLAT).argmax(1)
    assert (guess == codes).mean() >= (logits.argmax(1) == codes).mean() - 0.005


def test_two_views_are_better_than_either() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 3000)
    views = [3 * np.eye(4)[codes] + 2 * rng.normal(size=(3000, 4)) for _ in range(2)]
    found = fit_fusion(*views, codes, FLAT)
    assert 0.2 <= found.deep_share <= 0.8
    both = (found.log_proba(*views, FLAT).argmax(1) == codes).mean()
    assert both > max((view.argmax(1) == codes).mean() for view in views) + 0.02


def test_share_and_temperatures_are_a_mixture() -> None:
    wide, deep = np.random.default_rng(0).normal(size=(2, 5, 4))
    log_prior = np.log([0.1, 0.2, 0.3, 0.4])
    fusion = Fusion(0.3, 2.0, 0.5, 0.4, 1.5)
    p = 0.7 * softmax(wide / 2, 1) + 0.3 * softmax(deep / 0.5, 1)
    expected = softmax((np.log(p) - 0.4 * log_prior) / 1.5, 1)
    np.testing.assert_allclose(np.exp(fusion.log_proba(wide, deep, log_prior)), expected)
    for only in ((wide, None), (None, deep)):
        assert np.exp(fusion.log_proba(*only, log_prior)).sum(1) == pytest.approx(1)


def test_a_class_that_one_view_never_saw_can_still_be_said_by_the_other() -> None:
    wide = np.array([[1.0, 0.0, -np.inf]])
    deep = np.array([[0.0, 0.0, 9.0]])
    log_proba = Fusion(0.5).log_proba(wide, deep, np.zeros(3))
    assert np.isfinite(log_proba).all()
    assert log_proba.argmax() == 2
    assert np.isfinite(Fusion().log_proba(wide, None, np.zeros(3))).all()
    assert np.isfinite(log_loss(wide, np.array([2])))


def test_the_prior_lifts_rare_classes() -> None:
    """A view that saw one class nine times as often, judged on accuracy and macro-F1."""
    rng = np.random.default_rng(0)
    codes = (rng.random(3000) < 0.1).astype(np.int64)
    logits = 1.2 * np.eye(2)[codes] + rng.normal(size=(3000, 2)) * 0.8 + np.log([0.9, 0.1])
    found = fit_fusion(logits, None, codes, np.log([0.9, 0.1]))
    assert found.prior_power > 0
    assert found.deep_share == 0


def test_threshold_by_hand() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([True, True, False, True, True])
    assert confidence_threshold(confidence, correct, 0.0) == 0.8
    assert confidence_threshold(confidence, correct, 0.25) == 0.5  # one of five is wrong
    assert confidence_threshold(confidence, correct, 0.1) == 0.8


@given(
    st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0]), st.booleans()), min_size=1),
    st.sampled_from([0.0, 0.05, 0.2, 0.5]),
)
def test_at_most_max_error_are_wrong_above_the_threshold(pairs, max_error) -> None:
    """Also where many cells are equally sure, up to the surest."""
    confidence = np.array([c for c, _ in pairs])
    correct = np.array([c for _, c in pairs])
    threshold = confidence_threshold(confidence, correct, max_error)
    said = confidence >= threshold  # as the annotator decides
    assert said.sum() == 0 or (~correct[said]).mean() <= max_error
    looser = [t for t in np.unique(confidence) if t < threshold]
    assert all((~correct[confidence >= t]).mean() > max_error for t in looser)


def test_classes_without_held_out_cells_are_left_to_the_linear_view() -> None:
    """The deep view never says class 2; the linear one does, and nothing was validated on it."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 200)
    wide = rng.normal(size=(200, 3))
    wide[:, 2] -= 4
    wide[np.arange(200), codes] += 1
    deep = np.full((200, 3), -8.0)
    deep[np.arange(200), codes] = 2.0
    log_prior = np.log([0.49, 0.49, 0.02])
    found = fit_fusion(wide, deep, codes, log_prior)
    assert found.unvalidated == (2,)
    assert found.deep_share > 0.5
    stranger = np.array([[-2.0, -2.0, 6.0]])
    sure_but_wrong = np.array([[5.0, -8.0, -8.0]])
    assert found.log_proba(stranger, sure_but_wrong, log_prior).argmax() == 2
    proba = np.exp(found.log_proba(wide, deep, log_prior))
    assert np.allclose(proba.sum(1), 1)
    assert (proba.argmax(1) == codes).mean() > 0.95
