"""Gradients of the Mamba-2 mixer against autograd through the float64 recurrence."""

from __future__ import annotations

import pytest
import torch

from scmamba.nn.bidirectional import BidirectionalMamba2
from scmamba.nn.scan.reference import bidirectional_mamba2

TOLERANCE = 2e-6
"""Of the norm of each gradient: float32 arithmetic without canceling sums."""


@pytest.mark.parametrize("kernels", ["auto", "torch"])
@pytest.mark.parametrize("ngroups", [1, 2])
@pytest.mark.parametrize(("length", "log_step"), [(1, 0.0), (33, 0.0), (33, -3.0), (200, 0.0)])
def test_every_gradient_is_exact(
    length: int, log_step: float, ngroups: int, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With large steps states are forgotten within a few tokens, with small ones they last."""
    monkeypatch.setenv("SCMAMBA_KERNELS", kernels)
    mixer = BidirectionalMamba2(32, d_state=16, headdim=16, ngroups=ngroups)
    torch.nn.init.normal_(mixer.dt_bias, log_step)
    u = torch.randn(length, 32, requires_grad=True)
    weights = torch.randn(length, 32)
    got = torch.autograd.grad((mixer(u[None])[0] * weights).sum(), [u, *mixer.parameters()])

    exact = {name: p.detach().double().requires_grad_() for name, p in mixer.named_parameters()}
    v = u.detach().double().requires_grad_()
    out = bidirectional_mamba2(exact, v, headdim=16, ngroups=ngroups)
    expected = torch.autograd.grad((out * weights).sum(), [v, *exact.values()])
    for name, a, b in zip(["u", *exact], got, expected, strict=True):
        assert (a - b).norm() <= TOLERANCE * b.norm(), name


@pytest.mark.parametrize("kernels", ["auto", "torch"])
@pytest.mark.parametrize("sizes", [(32, 16), (128, 32)], ids=["small", "wide"])
def test_no_digits_are_lost_in_long_sequences(
    sizes: tuple[int, int], kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the same mixer in float64, which the recurrence checks above on short sequences.

    The loss is one whose terms do not cancel over the tokens: the sum of random ones would be as
    small as the rounding of its terms. Those of ``dt_bias`` cancel with any loss, so that it shows
    systematic errors first, such as those of a polynomial for the exponential; rounding alone may
    double with the order in which a processor adds.
    """
    d_model, headdim = sizes
    mixer = BidirectionalMamba2(d_model, d_state=16, headdim=headdim)
    u = torch.randn(1, 8000, d_model, requires_grad=True)

    def gradients(u: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(mixer(u).square().sum(), [u, *mixer.parameters()])

    monkeypatch.setenv("SCMAMBA_KERNELS", kernels)
    got, names = gradients(u), ["u", *dict(mixer.named_parameters())]
    mixer.double()
    expected = gradients(u.detach().double().requires_grad_())
    for name, a, b in zip(names, got, expected, strict=True):
        assert (a - b).norm() <= (2 if name == "dt_bias" else 1) * TOLERANCE * b.norm(), name
