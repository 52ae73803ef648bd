"""Our mixers against the independent Mamba-2 of transformers, with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scmamba.nn.bidirectional import BidirectionalMamba2
from scmamba.nn.mamba2 import Mamba2

transformers = pytest.importorskip("transformers")


def pair(direction: type[Mamba2], ngroups: int = 1) -> tuple[Mamba2, nn.Module]:
    """Our mixer and transformers' mixer with our weights."""
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer

    config = transformers.Mamba2Config(
        hidden_size=32,
        state_size=16,
        head_dim=8,
        num_heads=8,
        n_groups=ngroups,
        chunk_size=16,
        use_conv_bias=True,
        use_bias=False,
        layer_norm_epsilon=1e-5,
    )
    ours = direction(32, d_state=16, headdim=8, ngroups=ngroups, chunk_size=16)
    nn.init.normal_(ours.dt_bias)
    theirs = Mamba2Mixer(config, layer_idx=0)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("ngroups", [1, 2])
@pytest.mark.parametrize("length", [1, 15, 16, 17, 70])
def test_causal(length: int, ngroups: int) -> None:
    ours, theirs = pair(Mamba2, ngroups)
    u = torch.randn(2, length, 32)
    torch.testing.assert_close(ours(u), theirs(u), atol=1e-5, rtol=1e-4)


def twice(mixer: nn.Module, u: Tensor, lengths: list[int]) -> list[Tensor]:
    """The published formulation: tokens, then tokens reversed within their length, averaged."""
    cells = [row[None, :n] for row, n in zip(u, lengths, strict=True)]
    return [((mixer(c) + mixer(c.flip(1)).flip(1)) / 2)[0] for c in cells]


@pytest.mark.parametrize("ngroups", [1, 2])
def test_bidirectional_with_padding(ngroups: int) -> None:
    ours, theirs = pair(BidirectionalMamba2, ngroups)
    lengths = [1, 16, 33, 70]
    u = torch.randn(4, 70, 32, requires_grad=True)
    mask = torch.arange(70) >= torch.tensor(lengths)[:, None]
    got, expected = ours(u, mask)[~mask], torch.cat(twice(theirs, u, lengths))
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
    weights = torch.randn_like(got)
    got_gradients = torch.autograd.grad((got * weights).sum(), [u, *ours.parameters()])
    parameters = dict(theirs.named_parameters())
    names = [name for name, _ in ours.named_parameters()]
    expected_gradients = torch.autograd.grad(
        (expected * weights).sum(), [u, *(parameters[name] for name in names)]
    )
    for name, a, b in zip(["u", *names], got_gradients, expected_gradients, strict=True):
        assert (a - b).norm() < 1e-4 * b.norm(), name
