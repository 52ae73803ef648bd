"""Losses against loops over pairs and positions."""

import math

import pytest
import torch

from scmamba.nn.losses import (
    contrastive_loss,
    ecs_loss,
    expressed_nll,
    gaussian_kl,
    masked_mse,
    negative_binomial_nll,
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


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.8])
def test_ecs_is_the_mean_over_all_pairs(threshold):
    cells = torch.randn(6, 5, dtype=torch.float64)
    terms = []
    for i in range(6):
        for j in range(6):
            cosine = 0.0
            if i != j:
                cosine = float(cells[i] @ cells[j]) / float(cells[i].norm() * cells[j].norm())
            terms.append(1 - (max(cosine, 0.0) - threshold) ** 2)
    assert float(ecs_loss(cells, threshold)) == pytest.approx(sum(terms) / 36)


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


def test_gaussian_kl_against_the_distributions_of_torch():
    mean, log_var = torch.randn(4, 3), torch.randn(4, 3)
    normal = torch.distributions.Normal
    wanted = torch.distributions.kl_divergence(
        normal(mean, (log_var / 2).exp()), normal(torch.zeros(4, 3), torch.ones(4, 3))
    )
    torch.testing.assert_close(gaussian_kl(mean, log_var), wanted.sum(1))


@pytest.mark.parametrize("grouped", [False, True])
def test_contrast_against_a_loop_over_views(grouped):
    cells, same = torch.randn(8, 3), torch.tensor([0, 1, 2, 3, 0, 1, 2, 9])
    groups = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1]) if grouped else None
    terms = []
    for i in range(8):
        others = [j for j in range(8) if j != i and (groups is None or groups[j] == groups[i])]
        cosine = {j: float(torch.cosine_similarity(cells[i], cells[j], dim=0)) for j in others}
        partners = [j for j in others if same[j] == same[i]]
        if partners:
            weight = sum(math.exp(c / 0.5) for c in cosine.values())
            terms.append(-math.log(math.exp(cosine[partners[0]] / 0.5) / weight))
    assert len(terms) == 6
    got = contrastive_loss(cells, same, groups, 0.5)
    assert float(got) == pytest.approx(sum(terms) / 6, rel=1e-4)


def test_contrast_without_a_second_view_is_nothing():
    cells = torch.randn(3, 2, requires_grad=True)
    loss = contrastive_loss(cells, torch.arange(3))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(cells.grad, torch.zeros(3, 2))


def test_contrast_gradients_are_finite_where_a_view_stands_alone_in_its_group():
    cells = torch.randn(4, 2, requires_grad=True)
    contrastive_loss(cells, torch.tensor([0, 0, 1, 2]), torch.tensor([0, 0, 1, 2])).backward()
    assert cells.grad.isfinite().all()
