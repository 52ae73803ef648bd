"""The selective scan, compiled and in plain PyTorch, against the step-by-step recurrence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scmamba import _compiled
from scmamba._errors import ScmambaError
from scmamba.nn.scan import reference
from scmamba.nn.scan.cpu.selective_tiles import TILE
from scmamba.nn.scan.selective import selective_scan

NAMES = ("x", "dt", "A", "B", "C", "D", "state")
LENGTHS = (1, 2, TILE - 1, TILE, TILE + 1, 2 * TILE + 5)


def inputs(
    length: int, *, batch: int = 2, d: int = 6, n: int = 5, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """x, dt, A, B, C, D, state with decays from nearly none to complete within a step."""
    x = torch.randn(batch, length, d, dtype=dtype)
    dt = torch.rand(batch, length, d, dtype=dtype) * 2
    A = -torch.logspace(-2, 1, n, dtype=dtype) * torch.rand(d, 1, dtype=dtype)
    B, C = torch.randn(2, batch, length, n, dtype=dtype)
    return [x, dt, A, B, C, torch.randn(d, dtype=dtype), torch.randn(batch, d, n, dtype=dtype)]


def scan(tensors: list[Tensor], **options: bool | int) -> tuple[Tensor, Tensor]:
    *first, D, state = tensors
    return selective_scan(*first, D=D, state=state, **options)  # type: ignore


def judge(tensors: list[Tensor], reverse: bool) -> tuple[Tensor, Tensor]:
    x, dt, A, B, C, D, state = tensors
    if not reverse:
        return reference.selective_scan(x, dt, A, B, C, D, state)
    y, last = reference.selective_scan(x.flip(1), dt.flip(1), A, B.flip(1), C.flip(1), D, state)
    return y.flip(1), last


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
def test_equals_recurrence(length: int, reverse: bool, dtype: torch.dtype) -> None:
    tensors = inputs(length, dtype=dtype)
    for got, expected in zip(scan(tensors, reverse=reverse), judge(tensors, reverse), strict=True):
        assert got.dtype == dtype
        tolerance = 1e-5 if dtype == torch.float32 else 1e-12
        torch.testing.assert_close(got.double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("n", [1, 4, 16])
@pytest.mark.parametrize("d", [1, 16, 63, 130])
def test_sizes_that_fit_no_vector(d: int, n: int) -> None:
    tensors = inputs(40, d=d, n=n)
    for got, expected in zip(scan(tensors), judge(tensors, False), strict=True):
        torch.testing.assert_close(got.double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_compiled_gradients_equal_those_of_the_recurrence(reverse: bool) -> None:
    for length in LENGTHS:
        tensors = [t.requires_grad_() for t in inputs(length, d=70, n=9)]
        weights = torch.randn(2, length, 70), torch.randn(2, 70, 9)
        results = []
        for y, last in (scan(tensors, reverse=reverse), judge(tensors, reverse)):
            loss = (y * weights[0]).sum() + (last * weights[1]).sum()
            results.append(torch.autograd.grad(loss, tensors))
        for name, got, expected in zip(NAMES, *results, strict=True):
            assert (got - expected).norm() < 1e-5 * expected.norm() + 1e-6, (name, length)


@pytest.mark.parametrize("reverse", [False, True])
def test_plain_gradients_are_those_of_finite_differences(reverse: bool) -> None:
    tensors = [t.requires_grad_() for t in inputs(7, d=2, n=2, dtype=torch.float64)]
    torch.autograd.gradcheck(
        lambda *given: scan(list(given), chunk_size=2, reverse=reverse), tensors
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reverse", [False, True])
def test_pieces_join_through_the_state(reverse: bool, dtype: torch.dtype) -> None:
    tensors = inputs(100, dtype=dtype)
    expected, last = scan(tensors, reverse=reverse)
    (x, dt, A, B, C, D, state), parts = tensors, []
    pieces = list(zip(*(t.split([1, 40, 59], 1) for t in (x, dt, B, C)), strict=True))
    for px, pdt, pB, pC in pieces[:: -1 if reverse else 1]:
        y, state = scan([px, pdt, A, pB, pC, D, state], reverse=reverse)
        parts.append(y)
    got = torch.cat(parts[:: -1 if reverse else 1], 1)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(state, last, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_padding_leaves_the_state_as_it_is(dtype: torch.dtype) -> None:
    tensors = inputs(50, dtype=dtype)
    tensors[1][:, 20:] = 0
    short = [t[:, :20] if i in (0, 1, 3, 4) else t for i, t in enumerate(tensors)]
    torch.testing.assert_close(scan(tensors)[1], scan(short)[1], atol=0, rtol=0)


@pytest.mark.parametrize("reverse", [False, True])
def test_twenty_thousand_tokens(reverse: bool) -> None:
    tensors = inputs(20_000, batch=1, d=2, n=4)
    tensors[1] *= 0.01  # slow decay: what errors there are add up
    got, expected = scan(tensors, reverse=reverse)[0], judge(tensors, reverse)[0]
    assert (got - expected).abs().max() < 2e-5 * expected.abs().max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [0.0, 1e-30, 1e4, 1e30])
def test_extreme_steps_stay_finite(factor: float, dtype: torch.dtype) -> None:
    tensors = inputs(70, dtype=dtype)
    tensors[1] *= factor
    tensors[0] /= max(factor, 1)
    y, last = scan([t.requires_grad_() for t in tensors])
    expected = judge([t.detach() for t in tensors], False)
    for got, known in zip((y, last), expected, strict=True):
        torch.testing.assert_close(got.double(), known, atol=1e-5, rtol=1e-5)
    gradients = torch.autograd.grad(y.sum() + last.sum(), tensors)
    assert all(g.isfinite().all() for g in gradients)


def test_decay_is_exact_over_its_whole_range() -> None:
    """One step from a state of ones leaves the decay itself."""
    exponents = -torch.cat([torch.zeros(1), torch.logspace(-8, 1.9, 2000)])
    tensors = [
        torch.zeros(1, 1, 2001),
        torch.ones(1, 1, 2001),
        exponents[:, None],
        torch.ones(1, 1, 1),
        torch.ones(1, 1, 1),
        torch.zeros(2001),
        torch.ones(1, 2001, 1),
    ]
    got = scan(tensors)[0][0, 0].double()
    expected = exponents.double().exp()
    assert got[0] == 1
    # the exponent itself is rounded to float32 in units of log 2: half a digit of it
    error = (got / expected - 1).abs() / (2e-7 + exponents.double().abs() * 1.2e-7)
    assert error.max() < 1


def test_nan_is_not_hidden() -> None:
    tensors = inputs(10)
    tensors[1][0, 3, 0] = torch.nan
    y = scan(tensors)[0]
    assert y[0, 3:, 0].isnan().all() and y[0, :3].isfinite().all() and y[1].isfinite().all()


@pytest.mark.parametrize("chunk_size", [1, 3, 64])
def test_chunk_size_changes_nothing(chunk_size: int) -> None:
    tensors = inputs(100, dtype=torch.float64)
    for got, expected in zip(scan(tensors, chunk_size=chunk_size), scan(tensors), strict=True):
        torch.testing.assert_close(got, expected)


def test_blocks_of_chunks_join(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [t.requires_grad_() for t in inputs(100, dtype=torch.float64)]
    expected = torch.autograd.grad(scan(tensors)[0].square().sum(), tensors)
    monkeypatch.setattr("scmamba.nn.scan.selective_chunks._BLOCK", 2)
    got = torch.autograd.grad(scan(tensors, chunk_size=8)[0].square().sum(), tensors)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [t.requires_grad_() for t in inputs(50, batch=3, d=200)]

    def everything() -> list[Tensor]:
        y, last = scan(tensors)
        return [y, last, *torch.autograd.grad(y.square().sum() + last.sum(), tensors)]

    expected = everything()
    monkeypatch.setattr(_compiled, "_MIN_WORK", 1)
    torch.set_num_threads(3)
    for got, known in zip(everything(), expected, strict=True):
        assert torch.equal(got, known)


def test_half_precision_is_computed_in_float32() -> None:
    low = [t.bfloat16() for t in inputs(40)]
    y, state = scan(low)
    assert y.dtype == state.dtype == torch.float32
    torch.testing.assert_close(y, scan([t.float() for t in low])[0])


def test_strided_inputs() -> None:
    tensors = inputs(40)
    strided = [t.mT.contiguous().mT if t.dim() == 3 else t for t in tensors]
    torch.testing.assert_close(scan(strided)[0], scan(tensors)[0], atol=0, rtol=0)


def test_no_skip_and_no_state_mean_zeros() -> None:
    x, dt, A, B, C, D, state = inputs(20)
    got, _ = selective_scan(x, dt, A, B, C)
    zeros = {"D": torch.zeros_like(D), "state": torch.zeros_like(state)}
    expected, _ = selective_scan(x, dt, A, B, C, **zeros)
    torch.testing.assert_close(got, expected, atol=0, rtol=0)


@pytest.mark.parametrize("wrong", range(1, len(NAMES)))
def test_shapes_that_do_not_fit_are_named(wrong: int) -> None:
    tensors = inputs(8)
    tensors[wrong] = tensors[wrong][..., :1]
    with pytest.raises(ScmambaError, match="(A|B|C|D|dt|state) has shape .* need"):
        scan(tensors)
