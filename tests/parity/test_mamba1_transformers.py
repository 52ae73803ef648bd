"""Our Mamba-1 mixer against the independent one of transformers, with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scmamba.nn.mamba1 import Mamba1

transformers = pytest.importorskip("transformers")


def pair(bias: bool) -> tuple[Mamba1, nn.Module]:
    from transformers.models.mamba.modeling_mamba import MambaMixer

    ours = Mamba1(32, d_state=8, bias=bias)
    config = transformers.MambaConfig(
        hidden_size=32, state_size=8, time_step_rank=ours.dt_rank, use_bias=bias
    )
    theirs = MambaMixer(config, layer_idx=0)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("length", [1, 3, 70])
def test_values_and_gradients(length: int, bias: bool) -> None:
    ours, theirs = pair(bias)
    u = torch.randn(2, length, 32)
    results = []
    for mixer in (ours, theirs):
        y, names = mixer(u), dict(mixer.named_parameters())
        gradients = torch.autograd.grad(y.sin().sum(), list(names.values()))
        results.append({"y": y, **dict(zip(names, gradients, strict=True))})
    for name, expected in results[1].items():
        assert (results[0][name] - expected).norm() < 1e-4 * expected.norm() + 1e-6, name
