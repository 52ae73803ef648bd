"""The Mamba-1 mixer: its parameters, padding, pieces, and the step-by-step formulation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from scmamba._errors import ScmambaError
from scmamba.nn import mamba1
from scmamba.nn.mamba1 import Mamba1
from scmamba.nn.scan import reference


def test_parameters_are_named_and_shaped_as_in_mamba_ssm() -> None:
    mixer = Mamba1(40, d_state=8)
    assert {name: tuple(p.shape) for name, p in mixer.named_parameters()} == {
        "in_proj.weight": (160, 40),
        "conv1d.weight": (80, 1, 4),
        "conv1d.bias": (80,),
        "x_proj.weight": (3 + 16, 80),
        "dt_proj.weight": (80, 3),
        "dt_proj.bias": (80,),
        "A_log": (80, 8),
        "D": (80,),
        "out_proj.weight": (40, 80),
    }


def test_initial_steps_and_decays_are_those_of_mamba_ssm() -> None:
    mixer = Mamba1(256)
    steps = F.softplus(mixer.dt_proj.bias)
    assert 0.99e-3 < steps.min() < 2e-3 and 0.05 < steps.max() < 0.101
    torch.testing.assert_close(mixer.A_log.exp()[7], torch.arange(1.0, 17))
    assert (mixer.D == 1).all()


@pytest.mark.parametrize("length", [1, 3, 50])
def test_equals_the_reference(length: int) -> None:
    mixer, u = Mamba1(24, d_state=4), torch.randn(length, 24)
    expected = reference.mamba1(mixer.state_dict(), u)
    torch.testing.assert_close(mixer(u[None])[0].double(), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("bias", [False, True])
def test_padding_on_either_side_does_nothing(bias: bool) -> None:
    mixer, u = Mamba1(16, bias=bias), torch.randn(2, 30, 16)
    left, right = torch.arange(30) < 7, torch.arange(30) >= 19
    mask = torch.stack([left, right])
    got = mixer(u, mask)
    torch.testing.assert_close(got[0, 7:], mixer(u[:1, 7:])[0], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(got[1, :19], mixer(u[1:, :19])[0], atol=1e-6, rtol=1e-5)
    filled = mixer(u.masked_fill(mask[..., None], 1e3), mask)
    torch.testing.assert_close(filled[~mask], got[~mask], atol=0, rtol=0)


@pytest.mark.parametrize("sizes", [[1] * 20, [2, 17, 1], [20]])
def test_pieces_follow_one_another(sizes: list[int]) -> None:
    mixer, u = Mamba1(16), torch.randn(2, 20, 16)
    parts, state = [], None
    for piece in u.split(sizes, 1):
        y, state = mixer.step(piece, state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), mixer(u), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("directions", [(False,), (True,), (False, True)])
def test_without_gradients_pieces_bound_memory(
    directions: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    mixer, u = Mamba1(16), torch.randn(2, 50, 16)
    mask = torch.arange(50) >= torch.tensor([[50], [33]])
    projected = mixer.project(u, mask)
    expected = mixer.conv_scan_gate(projected, mask, directions)
    monkeypatch.setattr(mamba1, "_SEGMENT", 2 * 32 * 7)  # seven tokens
    with torch.no_grad():
        got = mixer.conv_scan_gate(projected, mask, directions)
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-5)


def test_autocast_stays_near_float32() -> None:
    mixer, u = Mamba1(32), torch.randn(2, 40, 32)
    with torch.autocast("cpu", torch.bfloat16):
        low = mixer(u)
    assert (low.float() - mixer(u)).norm() < 0.02 * mixer(u).norm()


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ScmambaError, match="dt_rank='full'.*'auto'"):
        Mamba1(16, dt_rank="full")
    mixer, u = Mamba1(16), torch.randn(2, 5, 16)
    with pytest.raises(ScmambaError, match=r"torch.bool \(2, 4\).*\(2, 5\)"):
        mixer(u, torch.zeros(2, 4, dtype=torch.bool))
    state = mixer.step(u)[1]
    with pytest.raises(ScmambaError, match="state that step returned"):
        mixer.step(u[:1], state)


def test_torch_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*given: object) -> None:
        raise AssertionError("compiled loops run")

    mixer, u = Mamba1(32, d_state=8), torch.randn(2, 40, 32)
    expected = mixer(u)
    monkeypatch.setenv("SCMAMBA_KERNELS", "torch")
    monkeypatch.setattr("scmamba.nn.scan.cpu.selective.scan", never)
    monkeypatch.setattr("scmamba.nn.scan.cpu.convolution.conv_silu", never)
    torch.testing.assert_close(mixer(u), expected, atol=1e-5, rtol=1e-5)
