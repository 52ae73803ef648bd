"""Thresholds hold the error rate that they state, on cells that did not set them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from scmamba.learn.thresholds import (
    class_thresholds,
    common_threshold,
    confidence_threshold,
    error_bound,
    fewest_predictions,
)


@pytest.mark.parametrize(("n_wrong", "n"), [(0, 10), (3, 40), (39, 40)])
def test_bound_is_the_rate_at_which_so_few_errors_are_rare(n_wrong, n) -> None:
    bound = float(error_bound(n_wrong, n, 0.8))
    assert binom.cdf(n_wrong, n, bound) == pytest.approx(0.2)


def test_bound_of_errors_alone() -> None:
    assert error_bound(5, 5) == 1


@pytest.mark.parametrize("max_error", [0.01, 0.05, 0.3])
def test_fewest_predictions(max_error) -> None:
    n = int(fewest_predictions(max_error))
    assert error_bound(0, n) <= max_error < error_bound(0, n - 1)


def test_threshold_by_hand() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    correct = np.array([True, True, False, True, True])
    assert confidence_threshold(confidence, correct, 0.0, level=None) == 0.8
    assert (
        confidence_threshold(confidence, correct, 0.25, level=None) == 0.5
    )  # one of five is wrong
    assert confidence_threshold(confidence, correct, 0.1, level=None) == 0.8


@given(
    st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0]), st.booleans()), min_size=1),
    st.sampled_from([0.0, 0.05, 0.2, 0.5]),
)
def test_at_most_max_error_are_wrong_above_the_threshold(pairs, max_error) -> None:
    """Also where many cells are equally sure, up to the surest."""
    confidence = np.array([c for c, _ in pairs])
    correct = np.array([c for _, c in pairs])
    threshold = confidence_threshold(confidence, correct, max_error, level=None)
    kept = confidence >= threshold  # as the annotator decides
    assert kept.sum() == 0 or (~correct[kept]).mean() <= max_error
    looser = [t for t in np.unique(confidence) if t < threshold]
    assert all((~correct[confidence >= t]).mean() > max_error for t in looser)


def drawn(n: int, seed: int):
    """Calibrated confidence, and whether predictions are right."""
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.3, 1, n)
    return confidence, rng.random(n) < confidence


def test_stated_error_holds_on_other_cells() -> None:
    """With the bound in four of five draws; with the observed rate in about half of them."""
    held = {None: 0, 0.8: 0}
    for seed in range(40):
        confidence, correct = drawn(300, seed)
        other, right = drawn(20_000, seed + 100)
        for level in held:
            kept = other >= confidence_threshold(confidence, correct, 0.1, level)
            held[level] += not kept.any() or (~right[kept]).mean() <= 0.1
    assert held[0.8] >= 32 > held[None]


def test_each_class_has_its_own_threshold() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    confidence, guess = rng.uniform(0.3, 1, n), rng.integers(0, 2, n)
    right = rng.random(n) < np.where(guess == 0, 0.99, confidence)
    target = np.where(right, guess, 1 - guess)
    found = class_thresholds(confidence, guess, target, 3, 0.05)
    assert found[0] < 0.4 < 0.8 < found[1] < 1
    assert np.isinf(found[2])  # no cell of it was held out
    for c in (0, 1):
        kept = (guess == c) & (confidence >= found[c])
        assert (~right[kept]).mean() <= 0.05


def test_a_class_that_is_always_wrong_is_never_predicted() -> None:
    guess, target = np.repeat([0, 1], 100), np.r_[np.zeros(100, int), np.tile([0, 1], 50)]
    confidence = np.linspace(0.5, 1, 200)
    found = class_thresholds(confidence, guess, target, 2, 0.05)
    assert found[0] == 0.5 and np.isinf(found[1])


def test_small_classes_share_a_threshold() -> None:
    """Ten classes of twenty cells each: no class shows an error rate, all together do."""
    guess = np.repeat(np.arange(10), 20)
    confidence = np.tile(np.linspace(0.5, 1, 20), 10)
    wrong = confidence < 0.6
    found = class_thresholds(confidence, guess, np.where(wrong, (guess + 1) % 10, guess), 10, 0.05)
    assert len(set(found)) == 1 and 0.5 < found[0] < 0.7


def test_few_cells_show_what_they_show() -> None:
    confidence, correct = np.array([0.9, 0.8, 0.4]), np.array([True, True, False])
    assert common_threshold(confidence, correct, 0.05) == 0.8
    found = class_thresholds(confidence, np.array([0, 1, 1]), np.array([0, 1, 0]), 2, 0.05)
    assert found.tolist() == [0.8, 0.8]


def test_nothing_was_held_out() -> None:
    nothing = np.zeros(0)
    none = nothing.astype(int)
    assert np.isinf(class_thresholds(nothing, none, none, 2, 0.05)).all()
