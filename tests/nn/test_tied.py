"""Two directions with shared projections against the published formulation: flip, mix, flip."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scmamba._errors import ScmambaError
from scmamba.nn.mamba1 import Mamba1
from scmamba.nn.mamba2 import Mamba2
from scmamba.nn.tied import Mixer, TiedBidirectional


def make(kind: type[Mixer], bias: bool = False) -> TiedBidirectional:
    sizes = {"headdim": 8} if kind is Mamba2 else {}
    pair = [kind(16, d_state=8, bias=bias, **sizes) for _ in range(2)]
    for mixer in pair:  # each direction has parameters of its own
        for name, parameter in mixer.named_parameters():
            if name.split(".")[0] not in ("A_log", "dt_proj", "dt_bias"):
                nn.init.normal_(parameter, std=0.3)
    return TiedBidirectional(*pair)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", [Mamba1, Mamba2])
def test_equals_two_mixers_and_flips(kind: type[Mixer], bias: bool) -> None:
    both = make(kind, bias)
    u = torch.randn(2, 45, 16, requires_grad=True)
    results = []
    for y in (both(u), both.mamba_fwd(u) + both.mamba_rev(u.flip(1)).flip(1)):
        results.append([y, *torch.autograd.grad(y.sin().sum(), [u, *both.parameters()])])
    for got, expected in zip(*results, strict=True):
        assert (got - expected).norm() < 1e-5 * expected.norm() + 1e-6
    with torch.no_grad():
        torch.testing.assert_close(both(u), results[0][0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", [Mamba1, Mamba2])
def test_padding_on_either_side_does_nothing(kind: type[Mixer]) -> None:
    both, u = make(kind), torch.randn(2, 30, 16)
    mask = torch.stack([torch.arange(30) < 7, torch.arange(30) >= 19])
    got = both(u, mask)
    torch.testing.assert_close(got[0, 7:], both(u[:1, 7:])[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(got[1, :19], both(u[1:, :19])[0], atol=1e-5, rtol=1e-4)


def test_projections_are_stored_and_trained_once() -> None:
    both = make(Mamba1)
    assert both.mamba_fwd.in_proj.weight is both.mamba_rev.in_proj.weight
    names = {name for name, _ in both.named_parameters()}
    assert "mamba_fwd.out_proj.weight" in names and "mamba_rev.out_proj.weight" not in names
    assert "mamba_rev.x_proj.weight" in names


@pytest.mark.parametrize("other", [Mamba2(16, headdim=8), Mamba1(16, d_state=4)])
def test_mixers_that_do_not_match_are_named(other: Mixer) -> None:
    with pytest.raises(ScmambaError, match="give two of one class and size"):
        TiedBidirectional(Mamba1(16), other)
