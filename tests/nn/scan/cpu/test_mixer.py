"""The compiled loops between a mixer's projections against the recurrence and against PyTorch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from scmamba.nn.bidirectional import BidirectionalMamba2
from scmamba.nn.mamba2 import Mamba2
from scmamba.nn.scan import reference
from scmamba.nn.scan.cpu import mixer as loops

SMALL = {"headdim": 16, "d_state": 16, "ngroups": 2}
LARGE = {"headdim": 64, "d_state": 64, "ngroups": 1}


def make(direction: type[Mamba2] = BidirectionalMamba2, sizes: dict[str, int] = SMALL) -> Mamba2:
    mixer = direction(64, **sizes)
    torch.nn.init.normal_(mixer.norm.weight)
    torch.nn.init.normal_(mixer.D)
    return mixer


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that the loops run."""
    times: list[int] = []
    conv_scan_gate = loops.conv_scan_gate

    def noted(*given: object) -> Tensor:
        times.append(1)
        return conv_scan_gate(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(loops, "conv_scan_gate", noted)
    return times


@pytest.mark.parametrize("length", [1, 2, 5, 31, 32, 33, 300])
@pytest.mark.parametrize("sizes", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("direction", [Mamba2, BidirectionalMamba2])
def test_equals_recurrence(
    used: list[int], direction: type[Mamba2], sizes: dict[str, int], length: int
) -> None:
    mixer, u = make(direction, sizes), torch.randn(1, length, 64)
    torch.nn.init.normal_(mixer.dt_bias)  # larger steps than at the start of training
    plain = reference.mamba2 if direction is Mamba2 else reference.bidirectional_mamba2
    groups = {"headdim": sizes["headdim"], "ngroups": sizes["ngroups"]}
    expected = plain(mixer.state_dict(), u[0], **groups)
    torch.testing.assert_close(mixer(u)[0].double(), expected, atol=1e-5, rtol=1e-5)
    assert used


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("length", [1, 33, 300])
@pytest.mark.parametrize("sizes", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("direction", [Mamba2, BidirectionalMamba2])
def test_gradients_equal_those_in_float64(
    used: list[int], direction: type[Mamba2], sizes: dict[str, int], length: int, threads: int
) -> None:
    torch.set_num_threads(threads)
    mixer, u = make(direction, sizes), torch.randn(3, length, 64, requires_grad=True)
    mask = torch.arange(length) >= torch.tensor([[length], [max(length - 40, 1)], [length]])
    weights = torch.randn(3, length, 64)

    def run(mixer: Mamba2, u: Tensor) -> list[Tensor]:
        y = (mixer(u, mask) * weights.to(u.dtype))[~mask]
        return list(torch.autograd.grad(y.sum(), [u, *mixer.parameters()]))

    ours = run(mixer, u)
    assert used
    exact = run(mixer.double(), u.detach().double().requires_grad_())
    assert len(used) == 1  # float64 is left to PyTorch
    scale = exact[0].norm()
    for name, got, expected in zip(
        ["u", *dict(mixer.named_parameters())], ours, exact, strict=True
    ):
        assert (got - expected).norm() <= 3e-5 * expected.norm() + 1e-5 * scale, name


def test_huge_steps_give_no_nan() -> None:
    mixer, u = make(), torch.randn(1, 70, 64)
    with torch.no_grad():
        mixer.dt_bias += 1e4
    y = mixer(u)
    gradients = torch.autograd.grad(y.square().sum(), list(mixer.parameters()))
    assert y.isfinite().all() and all(g.isfinite().all() for g in gradients)


def test_nan_in_a_token_is_not_hidden() -> None:
    mixer, u = make(), torch.randn(1, 70, 64)
    u[0, 40] = float("nan")
    assert mixer(u).isnan().any()


def test_threads_change_nothing() -> None:
    mixer, u = make(sizes=LARGE), torch.randn(2, 300, 64)
    expected = mixer(u)
    for threads in (2, 3, 4):
        torch.set_num_threads(threads)
        torch.testing.assert_close(mixer(u), expected, atol=1e-5, rtol=1e-5)


def test_backward_twice_needs_the_graph_kept() -> None:
    mixer, u = make(), torch.randn(1, 40, 64)
    loss = mixer(u).square().sum()
    first = torch.autograd.grad(loss, mixer.A_log, retain_graph=True)[0]
    assert torch.equal(first, torch.autograd.grad(loss, mixer.A_log)[0])


def test_torch_can_be_asked_for(used: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    mixer, u = make(), torch.randn(1, 40, 64)
    expected = mixer(u)
    monkeypatch.setenv("SCMAMBA_KERNELS", "torch")
    torch.testing.assert_close(mixer(u), expected, atol=1e-5, rtol=1e-5)
    assert len(used) == 1
