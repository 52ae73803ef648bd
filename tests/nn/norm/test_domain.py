"""A norm a domain, whose statistics can be set."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.norm import DomainBatchNorm

MASK = torch.tensor([[False, False, True, True], [False] * 4, [False, True, True, True]])


@pytest.fixture
def x() -> Tensor:
    tokens = torch.randn(3, 4, 5) * 3 + 2
    return tokens.masked_fill(MASK[..., None], float("nan")).requires_grad_()


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
