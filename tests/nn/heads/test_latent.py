"""The latent and the decoder of counts against plain formulas."""

import pytest
import torch

from scmamba.nn.heads import CountHead, LatentHead, sample


def test_latent_has_a_mean_and_a_bounded_variance():
    head = LatentHead(6, 3, width=8)
    mean, log_var = head(torch.randn(5, 6))
    assert mean.shape == log_var.shape == (5, 3)
    _, wild = head(1e4 * torch.randn(5, 6))
    assert wild.min() >= -10 and wild.max() <= 2


def test_draws_have_the_mean_and_variance_asked_for():
    mean, log_var = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, -2.0]])
    drawn = sample(mean.expand(20_000, 2), log_var.expand(20_000, 2))
    torch.testing.assert_close(drawn.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.var(0), log_var[0].exp(), atol=0.03, rtol=0)


def test_shares_sum_to_one_and_start_at_the_background_of_the_batch():
    head = CountHead(3, 4, d_label=2, n_batches=2, d_model=5, width=6)
    totals = torch.tensor([[9.0, 4, 4, 999], [0, 0, 19, 79]])
    head.set_background(totals)
    torch.nn.init.zeros_(head.gene)
    ids = torch.tensor([1, 0, 1])
    share = head(torch.randn(3, 3), torch.randn(3, 2), ids).exp()
    wanted = (totals + 1) / (totals + 1).sum(1, keepdim=True)
    torch.testing.assert_close(share, wanted[ids])


def test_shares_are_a_softmax_over_genes():
    head = CountHead(3, 4, d_model=5, width=6)
    latent = torch.randn(2, 3)
    with torch.no_grad():
        head.shift.normal_()
    logits = head.hidden(latent) @ head.gene.T + head.shift
    torch.testing.assert_close(head(latent), logits.log_softmax(1))
    assert head(latent).exp().sum(1).tolist() == pytest.approx([1, 1])
