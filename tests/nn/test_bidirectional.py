"""Both directions with projections once equal the whole mixer run twice."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scmamba.nn.bidirectional import BidirectionalMamba2
from scmamba.nn.mamba2 import Mamba2
from scmamba.nn.scan import blocked, reference, torch_mixer

SIZES = {"headdim": 4, "ngroups": 2}


def make(direction: type[Mamba2] = BidirectionalMamba2, **changes: int) -> Mamba2:
    sizes = {"d_state": 6, "chunk_size": 8, **SIZES, **changes}
    mixer = direction(16, **sizes)
    torch.nn.init.normal_(mixer.dt_bias)  # larger steps than at the start of training
    torch.nn.init.normal_(mixer.norm.weight)
    torch.nn.init.normal_(mixer.D)
    return mixer


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 16, 37])
@pytest.mark.parametrize("direction", [Mamba2, BidirectionalMamba2])
def test_equals_recurrence(direction: type[Mamba2], length: int) -> None:
    mixer = make(direction)
    u = torch.randn(1, length, 16)
    plain = reference.mamba2 if direction is Mamba2 else reference.bidirectional_mamba2
    expected = plain(mixer.state_dict(), u[0], **SIZES)
    torch.testing.assert_close(mixer(u)[0].double(), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("direction", [Mamba2, BidirectionalMamba2])
def test_gradients_equal_those_of_the_recurrence(direction: type[Mamba2]) -> None:
    mixer = make(direction).double()
    u = torch.randn(1, 21, 16, dtype=torch.float64, requires_grad=True)
    parameters = dict(mixer.named_parameters())
    plain = reference.mamba2 if direction is Mamba2 else reference.bidirectional_mamba2
    wrt = [u, *parameters.values()]
    weights = torch.randn(21, 16, dtype=torch.float64)
    ours = torch.autograd.grad((mixer(u)[0] * weights).sum(), wrt)
    theirs = torch.autograd.grad((plain(parameters, u[0], **SIZES) * weights).sum(), wrt)
    for name, got, expected in zip(["u", *parameters], ours, theirs, strict=True):
        torch.testing.assert_close(got, expected, msg=lambda m, name=name: f"{name}: {m}")


@pytest.mark.parametrize("block", [1, 4 * 32, 16 * 32])
@pytest.mark.parametrize("keep", [0, 1 << 22])
def test_blocks_and_recomputing_change_nothing(
    monkeypatch: pytest.MonkeyPatch, block: int, keep: int
) -> None:
    mixer = make().double()
    u, mask = padded_batch("behind")
    u = u.double().requires_grad_()

    def run() -> list[Tensor]:
        y = mixer(u, mask)[~mask]
        return [y, *torch.autograd.grad(y.square().sum(), [u, *mixer.parameters()])]

    expected = run()
    monkeypatch.setattr(blocked, "BLOCK", block)
    monkeypatch.setattr(torch_mixer, "_KEEP", keep)
    for got, known in zip(run(), expected, strict=True):
        torch.testing.assert_close(got, known)


def test_backward_twice_needs_the_graph_kept() -> None:
    mixer, u = make(), torch.randn(1, 9, 16)
    loss = mixer(u).square().sum()
    first = torch.autograd.grad(loss, mixer.A_log, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, mixer.A_log)[0])
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, mixer.A_log)


def padded_batch(where: str) -> tuple[Tensor, Tensor]:
    """Cells of 5, 17 and 20 tokens with NaN as padding behind, in front or in the middle."""
    u, mask = torch.randn(3, 20, 16), torch.ones(3, 20, dtype=torch.bool)
    for row, n in enumerate((5, 17, 20)):
        start = {"behind": 0, "front": 20 - n, "middle": 0}[where]
        mask[row, start : start + n] = False
    if where == "middle":
        mask[2, 9:12] = True
    return u.masked_fill(mask[..., None], float("nan")), mask


@pytest.mark.parametrize("where", ["behind", "front"])
@pytest.mark.parametrize("direction", [Mamba2, BidirectionalMamba2])
def test_padding_and_batch_mates_change_nothing(direction: type[Mamba2], where: str) -> None:
    mixer = make(direction)
    u, mask = padded_batch(where)
    together = mixer(u, mask)
    assert together.isfinite().all()
    for row in range(3):
        alone = mixer(u[row][~mask[row]][None])[0]
        torch.testing.assert_close(together[row][~mask[row]], alone, atol=1e-5, rtol=1e-5)


def test_what_padding_holds_changes_nothing() -> None:
    mixer = make()
    u, mask = padded_batch("middle")
    expected = mixer(u, mask)
    other = mixer(torch.where(mask[..., None], torch.randn_like(u) * 100, u), mask)
    assert torch.equal(other[~mask], expected[~mask])


def test_gradients_ignore_padding() -> None:
    mixer = make()
    u, mask = padded_batch("behind")
    real = ~mask
    mixer(u, mask)[real].square().sum().backward()
    together = {name: p.grad.clone() for name, p in mixer.named_parameters()}
    mixer.zero_grad()
    for row in range(3):
        mixer(u[row][real[row]][None]).square().sum().backward()
    for name, p in mixer.named_parameters():
        torch.testing.assert_close(together[name], p.grad, atol=1e-4, rtol=1e-4)


def test_threads_change_nothing() -> None:
    mixer = make(chunk_size=64)
    u = torch.randn(2, 300, 16)
    expected = mixer(u)
    for threads in (2, 4):
        torch.set_num_threads(threads)
        torch.testing.assert_close(mixer(u), expected, atol=1e-5, rtol=1e-5)


def test_bfloat16_weights_stay_near_float32() -> None:
    mixer, u = make(), torch.randn(2, 40, 16)
    exact = mixer(u)
    low = mixer.bfloat16()(u.bfloat16())
    assert low.dtype == torch.bfloat16
    assert (low.float() - exact).norm() < 0.02 * exact.norm()
    low.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in mixer.parameters())


def test_autocast_stays_near_float32() -> None:
    mixer = make()
    u = torch.randn(2, 40, 16)
    with torch.autocast("cpu", torch.bfloat16):
        low = mixer(u)
    exact = mixer(u)
    assert (low.float() - exact).norm() < 0.02 * exact.norm()
