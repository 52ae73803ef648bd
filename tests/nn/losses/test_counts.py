"""The likelihood of counts against the distribution of torch."""

import math

import pytest
import torch

from scmamba.nn.losses import (
    negative_binomial_nll,
)


def test_negative_binomial_against_the_distribution_of_torch():
    counts = torch.poisson(torch.full((6, 9), 1.5)) * torch.tensor([0.0, 1, 1, 40, 1, 1, 1, 1, 1])
    log_mean = torch.randn(6, 9, dtype=torch.float64, requires_grad=True)
    log_dispersion = torch.randn(9, dtype=torch.float64, requires_grad=True)
    got = negative_binomial_nll(counts.double(), log_mean, log_dispersion)
    law = torch.distributions.NegativeBinomial(
        log_dispersion.exp(), logits=log_mean - log_dispersion
    )
    wanted = -law.log_prob(counts.double()).sum(1)
    torch.testing.assert_close(got, wanted)
    grads = torch.autograd.grad(got.sum(), (log_mean, log_dispersion))
    for grad, slow in zip(
        grads, torch.autograd.grad(wanted.sum(), (log_mean, log_dispersion)), strict=True
    ):
        torch.testing.assert_close(grad, slow)


def test_negative_binomial_has_the_variance_that_is_promised():
    counts = torch.arange(400.0)[:, None]
    log_mean, log_dispersion = torch.full((400, 1), math.log(3.0)), torch.tensor([math.log(0.5)])
    p = (-negative_binomial_nll(counts, log_mean, log_dispersion)).exp()
    assert p.sum().item() == pytest.approx(1, abs=1e-4)
    mean = (p * counts[:, 0]).sum().item()
    assert mean == pytest.approx(3, rel=1e-3)
    assert (p * counts[:, 0] ** 2).sum().item() - mean**2 == pytest.approx(3 + 9 / 0.5, rel=1e-2)
