"""The convolution with SiLU, compiled, against PyTorch's in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba import _compiled
from scmamba.nn.scan.convolution import conv_silu
from scmamba.nn.scan.cpu.convolution_loops import TILE


def judge(x: Tensor, weight: Tensor, bias: Tensor, conv_state: Tensor, reverse: bool) -> Tensor:
    """The convolution written out, one weight after another."""
    d_conv, length = weight.shape[2], x.shape[1]
    window = torch.cat([x, conv_state] if reverse else [conv_state, x], 1)
    factors = weight[:, 0].flip(1) if reverse else weight[:, 0]
    return F.silu(bias + sum(window[:, k : k + length] * factors[:, k] for k in range(d_conv)))


def inputs(length: int, d: int = 80, d_conv: int = 4) -> list[Tensor]:
    """xz of which x is the first half, weight, bias, conv_state."""
    return [
        torch.randn(2, length, 2 * d),
        torch.randn(d, 1, d_conv),
        torch.randn(d),
        torch.randn(2, d_conv - 1, d),
    ]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("d_conv", [1, 2, 4])
@pytest.mark.parametrize("length", [1, 2, 3, TILE - 1, TILE, TILE + 1, 2 * TILE + 3])
def test_values_and_gradients(length: int, d_conv: int, reverse: bool) -> None:
    given = [t.requires_grad_() for t in inputs(length, d_conv=d_conv)]
    upstream = torch.randn(2, length, 80)
    results = []
    for form, kind in ((conv_silu, torch.float32), (judge, torch.float64)):
        xz, weight, bias, state = (t.to(kind) for t in given)
        y = form(xz[..., :80], weight, bias, conv_state=state, reverse=reverse)
        results.append([y, *torch.autograd.grad(y, given[:3], upstream.to(kind))])
    for got, expected in zip(*results, strict=True):
        assert (got - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize("reverse", [False, True])
def test_channels_that_fit_no_vector(reverse: bool) -> None:
    xz, weight, bias, state = inputs(9, d=5)
    got = conv_silu(xz[..., :5], weight, bias, conv_state=state, reverse=reverse)
    torch.testing.assert_close(got, judge(xz[..., :5], weight, bias, state, reverse))


def test_no_bias_and_no_state_mean_zeros() -> None:
    xz, weight, bias, state = inputs(9)
    expected = judge(xz[..., :80], weight, 0 * bias, 0 * state, False)
    torch.testing.assert_close(conv_silu(xz[..., :80], weight, None), expected)


def test_large_values_do_not_overflow() -> None:
    x = torch.tensor([-1e30, -300.0, -90.0, 0.0, 90.0, 300.0, 1e30]).repeat(16, 1).T[None]
    got = conv_silu(x, torch.ones(16, 1, 1), None)
    torch.testing.assert_close(got, F.silu(x), atol=1e-6, rtol=1e-6)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [t.requires_grad_() for t in inputs(200)]

    def everything() -> list[Tensor]:
        y = conv_silu(given[0][..., :80], *given[1:3])
        return [y, *torch.autograd.grad(y.square().sum(), given[:3])]

    expected = everything()
    monkeypatch.setattr(_compiled, "_MIN_WORK", 1)
    torch.set_num_threads(3)
    for got, known in zip(everything(), expected, strict=True):
        assert torch.equal(got, known)
