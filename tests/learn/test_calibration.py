"""Probabilities are as certain as held-out examples allow."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics
from scipy.special import softmax

from scmamba.learn.calibration import (
    base_rates,
    best_temperature,
    floor_logits,
    held_back,
    log_loss,
    loss,
)


def drawn(n: int = 4000, sharpness: float = 2.0, seed: int = 0):
    """Calibrated logits, and classes drawn from them."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n, 4))
    codes = (softmax(logits, 1).cumsum(1) < rng.random((n, 1))).sum(1)
    return logits, np.minimum(codes, 3)


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0, 12.0])
def test_temperature_recovers_a_known_scaling(scale) -> None:
    logits, codes = drawn()
    found = best_temperature("classification", logits * scale, codes)
    assert found == pytest.approx(scale, rel=0.08)


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_labels_have_a_temperature_too(scale) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3000, 2)) * 2
    labels = (rng.random((3000, 2)) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    found = best_temperature("multilabel", logits * scale, labels)
    assert found == pytest.approx(scale, rel=0.08)


def test_an_unseen_class_is_as_unlikely_at_every_temperature() -> None:
    """The floor comes after the temperature: a hot component does not raise what it never saw."""
    logits = np.array([[1.0, 0.0, -np.inf]])
    for temperature in (0.05, 1.0, 20.0):
        assert softmax(floor_logits(logits / temperature), 1)[0, 2] < 1e-20
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, 300)
    noise = np.column_stack([9 * rng.normal(size=(300, 2)), np.full(300, -np.inf)])
    same = best_temperature("classification", noise[:, :2], codes)
    assert best_temperature("classification", noise, codes) == pytest.approx(same, rel=0.3)
    assert np.isfinite(log_loss(logits, np.array([2])))


def smoothed_loss(predicted: np.ndarray, codes: np.ndarray) -> float:
    """One label in n + 2 of another class, element by element."""
    n, k = predicted.shape
    total = 0.0
    for row, code in zip(predicted, codes, strict=True):
        for j in range(k):
            truth = 1 - 1 / (n + 2) if j == code else 1 / (n + 2) / (k - 1)
            total -= truth * np.log(row[j])
    return total / n


def test_losses() -> None:
    rng = np.random.default_rng(0)
    codes, p = rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), 50)
    assert loss("classification", p, codes) == pytest.approx(sklearn.metrics.log_loss(codes, p))
    smoothed = loss("classification", p, codes, smoothing=held_back(50))
    assert smoothed == pytest.approx(smoothed_loss(p, codes))
    labels, q = rng.integers(0, 2, (50, 2)), rng.random((50, 2))
    each = [sklearn.metrics.log_loss(labels[:, i], q[:, i]) for i in range(2)]
    assert loss("multilabel", q, labels) == pytest.approx(np.mean(each))
    assert np.isfinite(loss("classification", np.eye(3)[(codes + 1) % 3], codes))
    assert loss("regression", q, q + 2) == pytest.approx(4)


def test_base_rates() -> None:
    assert base_rates("classification", np.array([0, 0, 2]), 3) == (0.5, 0.25, 0.25)
    rates = base_rates("multilabel", np.array([[1, 0], [1, 0], [1, 1]]), 2)
    assert rates == (3.5 / 4, 1.5 / 4)
    assert base_rates("regression", np.zeros((3, 1)), 1) == ()
