"""The convolution with SiLU, compiled, against PyTorch's in float64."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba import _compiled
from scmamba.nn.conv_loops import TILE
from scmamba.nn.convolution import conv_silu


def judge(x: Tensor, weight: Tensor, bias: Tensor, tail: Tensor, reverse: bool) -> Tensor:
    """Written out tap by tap."""
    width, length = weight.shape[2], x.shape[1]
    window = torch.cat([x, tail] if reverse else [tail, x], 1)
    taps = weight[:, 0].flip(1) if reverse else weight[:, 0]
    return F.silu(bias + sum(window[:, k : k + length] * taps[:, k] for k in range(width)))


def inputs(length: int, d: int = 80, width: int = 4) -> list[Tensor]:
    """xz of which x is the first half, weight, bias, tail."""
    return [
        torch.randn(2, length, 2 * d),
        torch.randn(d, 1, width),
        torch.randn(d),
        torch.randn(2, width - 1, d),
    ]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("length", [1, 2, 3, TILE - 1, TILE, TILE + 1, 2 * TILE + 3])
def test_equals_taps_and_their_gradients(length: int, width: int, reverse: bool) -> None:
    given = [t.requires_grad_() for t in inputs(length, width=width)]
    upstream = torch.randn(2, length, 80)
    results = []
    for form, kind in ((conv_silu, torch.float32), (judge, torch.float64)):
        xz, weight, bias, tail = (t.to(kind) for t in given)
        y = form(xz[..., :80], weight, bias, tail=tail, reverse=reverse)
        results.append([y, *torch.autograd.grad(y, given[:3], upstream.to(kind))])
    for got, expected in zip(*results, strict=True):
        assert (got - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize("reverse", [False, True])
def test_channels_that_fit_no_vector(reverse: bool) -> None:
    xz, weight, bias, tail = inputs(9, d=5)
    got = conv_silu(xz[..., :5], weight, bias, tail=tail, reverse=reverse)
    torch.testing.assert_close(got, judge(xz[..., :5], weight, bias, tail, reverse))


def test_no_bias_and_no_tail_mean_zeros() -> None:
    xz, weight, bias, tail = inputs(9)
    expected = judge(xz[..., :80], weight, 0 * bias, 0 * tail, False)
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
