"""Norms against formulas written out and against torch's own batch norm."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.norm import DomainBatchNorm, MaskedBatchNorm1d, RMSNormGated

MASK = torch.tensor([[False, False, True, True], [False] * 4, [False, True, True, True]])


@pytest.fixture
def x() -> Tensor:
    tokens = torch.randn(3, 4, 5) * 3 + 2
    return tokens.masked_fill(MASK[..., None], float("nan")).requires_grad_()


@pytest.mark.parametrize("ngroups", [1, 3])
def test_gated_rms_norm(ngroups: int) -> None:
    norm = RMSNormGated(12, ngroups)
    nn.init.normal_(norm.weight)
    x, z = torch.randn(2, 7, 12)
    gated = (x * z / (1 + (-z).exp())).view(7, ngroups, -1)
    rms = (gated.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(norm(x, z), (gated / rms).view(7, 12) * norm.weight)


def test_gated_rms_norm_names_groups_that_do_not_fit() -> None:
    with pytest.raises(ScmambaError, match="12 features.*5 equal groups"):
        RMSNormGated(12, 5)


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


def test_statistics_can_be_set_exactly_and_small_domains_lean_on_the_others() -> None:
    domains = torch.tensor([0] * 50 + [1] * 50 + [2])
    x = torch.randn(101, 5) * (1 + domains[:, None]) + 10 * domains[:, None]
    norm = DomainBatchNorm(5, 4).eval()
    norm.set_statistics(x, domains)
    for i in range(2):
        torch.testing.assert_close(norm.bns[i].running_mean, x[domains == i].mean(0))
        torch.testing.assert_close(norm.bns[i].running_var, x[domains == i].var(0, correction=0))
    torch.testing.assert_close(norm.bns[2].running_mean, x[100])
    mean = torch.stack([x[domains == i].mean(0) for i in range(3)]).mean(0)
    torch.testing.assert_close(norm.bns[3].running_mean, mean)
    norm.set_statistics(x, domains, prior=4.0)
    torch.testing.assert_close(norm.bns[2].running_mean, 0.2 * x[100] + 0.8 * mean)
    torch.testing.assert_close(
        norm.bns[0].running_mean, (50 * x[:50].mean(0) + 4 * mean) / 54, atol=1e-4, rtol=1e-4
    )
    assert (norm.bns[2].running_var > 0).all()


@pytest.mark.parametrize("training", [True, False])
def test_every_cell_is_normed_by_its_own_domain(x: Tensor, training: bool) -> None:
    norm = DomainBatchNorm(5, 4).train(training)
    references = [nn.BatchNorm1d(5, eps=6.1e-5, affine=False).train(training) for _ in range(4)]
    for i, (module, reference) in enumerate(zip(norm.bns, references, strict=True)):
        nn.init.constant_(module.running_mean, i)  # type: ignore[arg-type]
        nn.init.constant_(reference.running_mean, i)  # type: ignore[arg-type]
    got = norm(x, torch.tensor([2, 0, 2]), MASK)
    first, second = got[::2][~MASK[::2]], got[1]
    torch.testing.assert_close(first, references[2](x[::2][~MASK[::2]]))
    torch.testing.assert_close(second, references[0](x[1]))
    for module, reference in zip(norm.bns, references, strict=True):
        torch.testing.assert_close(module.running_var, reference.running_var)


def test_domain_norm_is_named_as_published() -> None:
    names = set(DomainBatchNorm(5, 2).state_dict())
    assert "bns.1.running_mean" in names and not any("weight" in name for name in names)
    assert "bns.0.weight" in DomainBatchNorm(5, 2, affine=True).state_dict()


@pytest.mark.parametrize(
    ("ids", "message"),
    [([0, 4, 1], "0 to 4.*0 to 3"), ([-1, 0, 0], "-1 to 0"), ([0], r"\(1,\).*\(3,\)")],
)
def test_wrong_domains_are_named(x: Tensor, ids: list[int], message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        DomainBatchNorm(5, 4)(x, torch.tensor(ids), MASK)
