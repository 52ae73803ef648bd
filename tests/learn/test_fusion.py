"""Choices on held-out examples recover what was put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax

from scmamba.learn.calibration import base_rates, loss
from scmamba.learn.fusion import Fusion
from scmamba.learn.fusion_fit import WEIGHTS, fit_fusion
from tests.learn.test_calibration import drawn

FLAT = (0.25, 0.25, 0.25, 0.25)


def fitted(linear, neural, codes, rates=FLAT) -> Fusion:
    return fit_fusion("classification", linear, neural, codes, rates)


def test_components_are_brought_to_their_temperatures() -> None:
    logits, codes = drawn()
    found = fitted(logits * 4, logits * 0.5, codes)
    assert found.linear_temperature == pytest.approx(4, rel=0.08)
    assert found.neural_temperature == pytest.approx(0.5, rel=0.08)
    proba = found.predict(logits * 4, logits * 0.5)
    np.testing.assert_allclose(proba.sum(1), 1)
    np.testing.assert_allclose(proba, softmax(logits, 1), atol=0.05)


@pytest.mark.parametrize("swap", [False, True])
def test_noise_takes_no_part(swap) -> None:
    codes = np.random.default_rng(0).integers(0, 4, 500)
    certain, noise = 6 * np.eye(4)[codes], np.random.default_rng(1).normal(size=(500, 4))
    pair = (noise, certain) if swap else (certain, noise)
    assert fitted(*pair, codes).neural_weight == float(swap)


@pytest.mark.parametrize("swap", [False, True])
def test_noise_costs_nothing_on_other_cells(swap) -> None:
    def components(seed: int):
        logits, codes = drawn(sharpness=4, seed=seed)
        noise = 9 * np.random.default_rng(seed + 99).normal(size=logits.shape)
        return ((noise, logits) if swap else (logits, noise)), codes, logits

    both, codes, _ = components(0)
    found = fitted(*both, codes)
    both, codes, logits = components(1)
    guess = found.log_proba(*both).argmax(1)
    assert (guess == codes).mean() >= (logits.argmax(1) == codes).mean() - 0.005


def test_two_components_are_better_than_either() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 3000)
    pair = [3 * np.eye(4)[codes] + 2 * rng.normal(size=(3000, 4)) for _ in range(2)]
    found = fitted(*pair, codes)
    assert 0.2 <= found.neural_weight <= 0.8
    both = (found.log_proba(*pair).argmax(1) == codes).mean()
    assert both > max((logits.argmax(1) == codes).mean() for logits in pair) + 0.02


def test_weight_is_the_best_of_all_tried() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 200)
    pair = [5 * np.eye(2)[codes] + rng.normal(size=(200, 2)) * 5 for _ in range(2)]
    found = fitted(*pair, codes, (0.5, 0.5))
    assert 0 < found.neural_weight < 1
    plain = replace(found, temperature=1.0, base_weight=0.0, logit_adjustment_tau=0.0)
    losses = [
        loss("classification", replace(plain, neural_weight=w).predict(*pair), codes)
        for w in WEIGHTS
    ]
    assert found.neural_weight == WEIGHTS[int(np.argmin(losses))]


def test_a_mixture_by_hand() -> None:
    linear, neural = np.random.default_rng(0).normal(size=(2, 5, 4))
    rates = (0.1, 0.2, 0.3, 0.4)
    fusion = Fusion("classification", 0.3, 2.0, 0.5, 0.4, 1.5, 0.2, rates)
    p = 0.7 * softmax(linear / 2, 1) + 0.3 * softmax(neural / 0.5, 1)
    expected = 0.8 * softmax((np.log(p) - 0.4 * np.log(rates)) / 1.5, 1) + 0.2 * np.array(rates)
    np.testing.assert_allclose(fusion.predict(linear, neural), expected)
    for only in ((linear, None), (None, neural)):
        assert fusion.predict(*only).sum(1) == pytest.approx(1)
    labels = Fusion("multilabel", 0.5, 1.0, 2.0).predict(linear, neural)
    np.testing.assert_allclose(labels, (expit(linear) + expit(neural / 2)) / 2)
    numbers = Fusion("regression", 0.25).predict(linear, neural)
    np.testing.assert_allclose(numbers, 0.75 * linear + 0.25 * neural)


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_component_without_weight_may_be_left_out(kind, weight) -> None:
    linear, neural = np.random.default_rng(0).normal(size=(2, 5, 2))
    rates = () if kind == "regression" else (0.5, 0.5)
    fusion = Fusion(kind, weight, 2.0, 0.5, 0.0, 1.5, 0.1, rates)
    alone = (linear, None) if weight == 0 else (None, neural)
    np.testing.assert_allclose(fusion.predict(*alone), fusion.predict(linear, neural))


def test_a_class_that_one_component_never_saw_can_be_predicted_by_the_other() -> None:
    linear = np.array([[1.0, 0.0, -np.inf]])
    neural = np.array([[0.0, 0.0, 9.0]])
    log_proba = Fusion(neural_weight=0.5).log_proba(linear, neural)
    assert np.isfinite(log_proba).all()
    assert log_proba.argmax() == 2
    assert np.isfinite(Fusion().log_proba(linear, None)).all()


def test_the_adjustment_raises_rare_classes() -> None:
    """A component that saw one class nine times as often, judged on accuracy and macro-F1."""
    rng = np.random.default_rng(0)
    codes = (rng.random(3000) < 0.1).astype(np.int64)
    logits = 1.2 * np.eye(2)[codes] + rng.normal(size=(3000, 2)) * 0.8 + np.log([0.9, 0.1])
    for pair in ((logits, None), (None, logits)):
        assert fitted(*pair, codes, (0.9, 0.1)).logit_adjustment_tau > 0


def test_classes_without_held_out_cells_are_left_to_the_linear_component() -> None:
    """The neural one never predicts class 2; the linear one does, and it was not validated."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 200)
    linear = rng.normal(size=(200, 3))
    linear[:, 2] -= 4
    linear[np.arange(200), codes] += 1
    neural = np.full((200, 3), -8.0)
    neural[np.arange(200), codes] = 2.0
    found = fitted(linear, neural, codes, (0.49, 0.49, 0.02))
    assert found.unvalidated == (2,)
    assert found.neural_weight > 0.5
    new = np.array([[-2.0, -2.0, 6.0]])
    sure_but_wrong = np.array([[5.0, -8.0, -8.0]])
    assert found.log_proba(new, sure_but_wrong).argmax() == 2
    proba = found.predict(linear, neural)
    assert np.allclose(proba.sum(1), 1)
    assert (proba.argmax(1) == codes).mean() > 0.95


@pytest.mark.parametrize("n", [6, 14, 40, 400])
@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_held_out_examples_all_predicted_right_do_not_make_it_certain(n, kind) -> None:
    """One error in n + 2 must stay possible, for examples further out than any seen, too."""
    codes = np.arange(n) % 2
    target = codes if kind == "classification" else codes[:, None].astype(np.float32)
    sure = 30.0 * (np.eye(2)[codes] if kind == "classification" else 2 * target - 1)
    rates = base_rates(kind, target, sure.shape[1])
    fusion = fit_fusion(kind, sure, sure, target, rates)
    for logits in (sure, 1000 * sure):
        proba = fusion.predict(logits, logits)
        assert proba.max() <= 1 - 1 / (n + 2) + 1e-8
        assert proba.min() >= 1 / (n + 2) - 1e-8
        assert ((proba[:, -1] > 0.5) == codes).all()
    if n >= 14:  # of fewer examples chance predicts all too easily
        assert fusion.predict(sure, sure).max() > 0.7


def test_few_examples_predicted_by_chance_prove_nothing() -> None:
    """The best of many random components on few examples costs little on others."""
    rng = np.random.default_rng(0)
    codes, later = rng.integers(0, 2, 6), rng.integers(0, 2, 2000)
    draws = [3 * rng.normal(size=(6, 2)) for _ in range(50)]
    lucky = min(draws, key=lambda x: loss("classification", softmax(x, 1), codes))
    assert (lucky.argmax(1) == codes).all()
    fusion = fit_fusion("classification", lucky, None, codes, (0.5, 0.5))
    proba = fusion.predict(3 * rng.normal(size=(2000, 2)), None)
    assert loss("classification", proba, later) < np.log(2) + 0.02


def test_fusion_is_no_worse_than_the_linear_component_where_its_weight_is_chosen() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        target = rng.normal(size=(30, 1))
        linear, neural = (target + rng.normal(size=(30, 1)) for _ in range(2))
        found = fit_fusion("regression", linear, neural, target, ())
        fused = loss("regression", found.predict(linear, neural), target)
        assert fused <= loss("regression", linear, target)


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_held_out_loss_is_at_most_that_of_the_base_rates(kind) -> None:
    """Also for components that are sure and wrong."""
    rng = np.random.default_rng(0)
    for seed in range(5):
        codes = rng.integers(0, 3, 60)
        target = codes if kind == "classification" else (rng.random((60, 3)) < 0.2).astype(float)
        wrong = 20 * np.random.default_rng(seed).normal(size=(60, 3))
        rates = base_rates(kind, target, 3)
        fusion = fit_fusion(kind, wrong, wrong[::-1], target, rates)
        found = loss(kind, fusion.predict(wrong, wrong[::-1]), target)
        assert found <= loss(kind, np.tile(rates, (60, 1)), target) + 1e-6
