"""Losses of Gaussians against the distributions of torch."""

import math

import torch

from scmamba.nn.losses import gaussian_kl, gaussian_nll


def test_gaussian_kl_against_the_distributions_of_torch():
    mean, log_var = torch.randn(4, 3), torch.randn(4, 3)
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(
        normal(mean, (log_var / 2).exp()), normal(torch.zeros(4, 3), torch.ones(4, 3))
    )
    torch.testing.assert_close(gaussian_kl(mean, log_var), wanted.sum(1))


def test_gaussian_nll_against_the_distribution_of_torch():
    target, mean, log_var = torch.randn(3, 4, 2)
    wanted = -torch.distributions.Normal(mean, (log_var / 2).exp()).log_prob(target)
    constant = math.log(2 * math.pi) / 2
    torch.testing.assert_close(gaussian_nll(target, mean, log_var), (wanted - constant).sum(1))
