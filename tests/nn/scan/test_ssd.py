"""The chunked scan against the sequential float64 recurrence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scmamba.nn.scan import reference
from scmamba.nn.scan.ssd import ssd


def inputs(
    length: int,
    *,
    batch: int = 2,
    heads: int = 4,
    groups: int = 2,
    dtype: torch.dtype = torch.float32,
) -> list[Tensor]:
    """x, dt, A, B, C, D with decays from nearly none to complete within a step."""
    x = torch.randn(batch, length, heads, 5, dtype=dtype)
    dt = torch.rand(batch, length, heads, dtype=dtype) * 2
    A = -torch.logspace(-2, 1, heads, dtype=dtype)
    B, C = torch.randn(2, batch, length, groups, 6, dtype=dtype)
    return [x, dt, A, B, C, torch.randn(heads, dtype=dtype)]


def judge(tensors: list[Tensor], reverse: bool) -> Tensor:
    x, dt, A, B, C, D = tensors
    if reverse:
        return reference.ssd(x.flip(1), dt.flip(1), A, B.flip(1), C.flip(1), D).flip(1)
    return reference.ssd(x, dt, A, B, C, D)


def scan(tensors: list[Tensor], **options: bool | int) -> Tensor:
    *first, D = tensors
    return ssd(*first, D=D, **options)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 32, 61])
def test_equals_recurrence(length: int, reverse: bool) -> None:
    tensors = inputs(length)
    got = scan(tensors, chunk_size=16, reverse=reverse)
    torch.testing.assert_close(got.double(), judge(tensors, reverse), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("length", [1, 8, 29])
def test_gradients_equal_those_of_the_recurrence(length: int, groups: int, reverse: bool) -> None:
    tensors = inputs(length, groups=groups, dtype=torch.float64)
    for t in tensors:
        t.requires_grad_()
    upstream = torch.randn(2, length, 4, 5, dtype=torch.float64)
    ours = torch.autograd.grad(scan(tensors, chunk_size=8, reverse=reverse), tensors, upstream)
    theirs = torch.autograd.grad(judge(tensors, reverse), tensors, upstream)
    for got, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, expected)


def test_float32_gradients_stay_near_float64() -> None:
    tensors = [t.requires_grad_() for t in inputs(200)]
    upstream = torch.randn(2, 200, 4, 5)
    low = torch.autograd.grad(scan(tensors), tensors, upstream)
    exact = torch.autograd.grad(scan([t.double() for t in tensors]), tensors, upstream.double())
    for got, expected in zip(low, exact, strict=True):
        assert (got - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize("reverse", [False, True])
def test_twenty_thousand_tokens(reverse: bool) -> None:
    x, dt, A, B, C, D = inputs(20_000, batch=1, heads=2, groups=1)
    tensors = [x, dt * 0.02, A, B, C, D]  # slow decay: what errors there are add up
    expected = judge(tensors, reverse)
    error = (scan(tensors, reverse=reverse) - expected).abs().max()
    assert error < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("reverse", [False, True])
def test_chunk_size_changes_nothing(reverse: bool) -> None:
    tensors = inputs(100)
    tensors[1] *= 0.1  # running sums of a chunk lose digits as they grow
    expected = scan(tensors, chunk_size=64, reverse=reverse)
    for size in (1, 7, 100, 256):
        got = scan(tensors, chunk_size=size, reverse=reverse)
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_huge_steps_give_no_nan() -> None:
    tensors = inputs(40)
    tensors[1] = (tensors[1] * 1e4).requires_grad_()
    y = scan(tensors, chunk_size=16)
    (gradient,) = torch.autograd.grad(y.square().sum(), tensors[1])
    assert y.isfinite().all() and gradient.isfinite().all()


def test_half_precision_is_computed_in_float32() -> None:
    tensors = inputs(40)
    low = [t.bfloat16() for t in tensors]
    y = scan(low)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, scan([t.float() for t in low]))
