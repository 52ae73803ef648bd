"""The mixer's parameters, their initial values and its checks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from scmamba._errors import ScmambaError
from scmamba.nn.mamba2 import Mamba2


def test_parameters_are_named_and_shaped_as_in_mamba_ssm() -> None:
    mixer = Mamba2(32, d_state=8, headdim=16, ngroups=2)
    assert {name: tuple(p.shape) for name, p in mixer.named_parameters()} == {
        "in_proj.weight": (64 + 96 + 4, 32),  # z, x with B and C, dt
        "conv1d.weight": (96, 1, 4),
        "conv1d.bias": (96,),
        "dt_bias": (4,),
        "A_log": (4,),
        "D": (4,),
        "norm.weight": (64,),
        "out_proj.weight": (32, 64),
    }


def test_initial_steps_and_decays_lie_in_range() -> None:
    mixer = Mamba2(256, headdim=4)
    steps, rates = F.softplus(mixer.dt_bias), mixer.A_log.exp()
    assert 0.99e-3 < steps.min() < 2e-3 and 0.05 < steps.max() < 0.101
    assert 1 <= rates.min() < 2 and 14 < rates.max() <= 16
    assert (mixer.D == 1).all()


def test_later_tokens_change_nothing_before_them() -> None:
    mixer = Mamba2(8, d_state=4, headdim=4, chunk_size=8)
    u = torch.randn(1, 30, 8)
    changed = torch.cat([u[:, :17], torch.randn(1, 13, 8)], 1)
    torch.testing.assert_close(mixer(changed)[:, :17], mixer(u)[:, :17])


def test_biases_do_not_let_padding_in() -> None:
    mixer = Mamba2(8, d_state=4, headdim=4, bias=True)
    u = torch.randn(1, 12, 8)
    mask = torch.arange(12)[None] < 5
    torch.testing.assert_close(mixer(u, mask)[:, 5:], mixer(u[:, 5:]))


def test_step_sizes_are_clamped() -> None:
    u = torch.randn(1, 12, 8)
    mixer = Mamba2(8, d_state=4, headdim=4, dt_limit=(0.5, 0.5))
    with torch.no_grad():
        free = mixer(u)
        mixer.dt_bias.add_(3)
    torch.testing.assert_close(mixer(u), free)


def test_autocast_stays_near_float32() -> None:
    mixer = Mamba2(16, d_state=8, headdim=8)
    u = torch.randn(2, 40, 16)
    with torch.autocast("cpu", torch.bfloat16):
        low = mixer(u)
    exact = mixer(u)
    assert (low.float() - exact).norm() < 0.02 * exact.norm()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [({"headdim": 24}, "headdim=24.*64"), ({"headdim": 16, "ngroups": 3}, "ngroups=3.*4 heads")],
)
def test_sizes_that_do_not_fit_are_named(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        Mamba2(32, **sizes)  # type: ignore[arg-type]


def test_a_mask_of_another_shape_is_named() -> None:
    mixer, u = Mamba2(8, headdim=4), torch.randn(2, 5, 8)
    with pytest.raises(ScmambaError, match=r"torch.bool \(2, 4\).*\(2, 5\)"):
        mixer(u, torch.zeros(2, 4, dtype=torch.bool))
    with pytest.raises(ScmambaError, match="torch.int64"):
        mixer(u, torch.zeros(2, 5, dtype=torch.int64))
