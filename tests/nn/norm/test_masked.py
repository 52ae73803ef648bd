"""A batch norm that sees real tokens alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scmamba.nn.norm import MaskedBatchNorm1d

MASK = torch.tensor([[False, False, True, True], [False] * 4, [False, True, True, True]])


@pytest.fixture
def x() -> Tensor:
    tokens = torch.randn(3, 4, 5) * 3 + 2
    return tokens.masked_fill(MASK[..., None], float("nan")).requires_grad_()


@pytest.mark.parametrize("training", [True, False])
def test_masked_batch_norm_is_batch_norm_of_the_real_tokens(x: Tensor, training: bool) -> None:
    norm, reference = MaskedBatchNorm1d(5), nn.BatchNorm1d(5, eps=6.1e-5)
    for module in (norm, reference):
        nn.init.constant_(module.weight, 1.7)
        nn.init.constant_(module.running_mean, 0.4)
        module.train(training)
    got, expected = norm(x, MASK), reference(x[~MASK])
    torch.testing.assert_close(got[~MASK], expected)
    assert (got[MASK] == 0).all()
    torch.testing.assert_close(norm.running_mean, reference.running_mean)
    torch.testing.assert_close(norm.running_var, reference.running_var)
    assert norm.num_batches_tracked == reference.num_batches_tracked
    upstream = torch.randn(7, 5)
    (ours,) = torch.autograd.grad(got[~MASK], x, upstream, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected, x, upstream)
    torch.testing.assert_close(ours, theirs)


def test_one_token_takes_the_running_statistics() -> None:
    norm = MaskedBatchNorm1d(5)
    x = torch.randn(1, 1, 5)
    torch.testing.assert_close(norm(x), norm.eval()(x))
    assert norm.num_batches_tracked == 0


def test_too_few_tokens_take_the_running_statistics_and_move_them_a_little() -> None:
    norm, x = MaskedBatchNorm1d(5, least=8), 3 + torch.randn(4, 5)
    assert norm.running_mean is not None
    torch.testing.assert_close(norm(x), x, atol=1e-3, rtol=1e-3)  # they start at 0 and 1
    torch.testing.assert_close(norm.running_mean, 0.1 * 4 / 8 * x.mean(0))
    for _ in range(400):
        norm(3 + torch.randn(4, 5))
    assert (norm.running_mean - 3).abs().max() < 0.5
    assert (norm.running_var - 1).abs().max() < 0.5
    norm(torch.randn(0, 5))
    many = norm(7 + torch.randn(8, 5))
    torch.testing.assert_close(many.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
