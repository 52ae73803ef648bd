"""Losses of expression against loops over positions."""

import math

import pytest
import torch

from scmamba.nn.losses import (
    expressed_nll,
    masked_mse,
    zero_inflated_mse,
)


def test_masked_mse_looks_at_the_mask_alone():
    prediction, target = torch.randn(3, 7), torch.randn(3, 7)
    mask = torch.rand(3, 7) < 0.4
    errors = [
        (float(p) - float(t)) ** 2
        for p, t, m in zip(prediction.ravel(), target.ravel(), mask.ravel(), strict=True)
        if m
    ]
    assert float(masked_mse(prediction, target, mask)) == pytest.approx(sum(errors) / len(errors))
    prediction[~mask] = math.nan
    assert masked_mse(prediction, target, mask).isfinite()


def test_nothing_masked_is_no_loss_and_no_gradient():
    prediction = torch.randn(2, 3, requires_grad=True)
    loss = masked_mse(prediction, torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(prediction.grad, torch.zeros(2, 3))


def test_expressed_nll_is_the_likelihood_of_being_above_zero():
    probability = torch.tensor([[0.9, 0.2, 0.5, 0.7]])
    target = torch.tensor([[3.0, 0.0, 1.0, 0.0]])
    mask = torch.tensor([[True, True, False, True]])
    wanted = -(math.log(0.9) + math.log(0.8) + math.log(0.3)) / 3
    assert float(expressed_nll(probability, target, mask)) == pytest.approx(wanted, rel=1e-5)


def test_expressed_nll_survives_certainty():
    certain = torch.tensor([[0.0, 1.0]], requires_grad=True)
    loss = expressed_nll(certain, torch.tensor([[1.0, 0.0]]), torch.ones(1, 2, dtype=torch.bool))
    loss.backward()
    assert loss.isfinite()
    assert certain.grad.isfinite().all()


def test_zero_inflated_is_the_sum():
    p, q, t = torch.rand(2, 5), torch.rand(2, 5), torch.randint(0, 3, (2, 5)).float()
    mask = torch.rand(2, 5) < 0.6
    both = masked_mse(p, t, mask) + expressed_nll(q, t, mask)
    torch.testing.assert_close(zero_inflated_mse(p, q, t, mask), both)
