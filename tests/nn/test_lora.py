"""Low-rank adaptation: starts as the plain model, trains thin matrices alone, merges exactly."""

import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.nn.lora import LoRALinear, add_lora, merge_lora, merged_state_dict
from scmamba.nn.mamba1 import Mamba1
from scmamba.nn.stack import Stack
from scmamba.nn.tied import TiedBidirectional


def stack():
    return Stack(2, 16, d_state=8, headdim=8, chunk_size=4)


def trained():
    """An adapted stack whose thin matrices have moved, and an input."""
    net = stack()
    assert add_lora(net, rank=2) == 4
    x = torch.randn(2, 5, 16)
    optimizer = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
    return net, x


def test_starts_as_the_plain_model():
    net, x = stack(), torch.randn(2, 5, 16)
    before = net(x)
    add_lora(net, rank=2)
    torch.testing.assert_close(net(x), before)


def test_only_thin_matrices_move():
    torch.manual_seed(0)
    frozen = dict(stack().named_parameters())
    torch.manual_seed(0)
    net, _ = trained()
    moving = [n for n, p in net.named_parameters() if p.requires_grad]
    assert len(moving) == 8
    assert all(n.endswith(("lora_a", "lora_b")) for n in moving)
    assert set(frozen) == {n for n, _ in net.named_parameters()} - set(moving)
    assert all(torch.equal(p, net.get_parameter(name)) for name, p in frozen.items())
    for module in net.modules():
        if isinstance(module, LoRALinear):
            assert module.lora_b.any()


def test_merging_changes_nothing_but_the_names():
    net, x = trained()
    wanted = net(x)
    plain = stack()
    plain.load_state_dict(merged_state_dict(net))
    torch.testing.assert_close(plain(x), wanted)
    torch.testing.assert_close(net(x), wanted)
    assert merge_lora(net) == 4
    torch.testing.assert_close(net(x), wanted)
    assert set(net.state_dict()) == set(plain.state_dict())
    assert all(p.requires_grad for p in net.parameters())
    assert not any(isinstance(m, LoRALinear) for m in net.modules())


def test_merging_a_plain_model_leaves_what_is_frozen_frozen():
    net = stack().requires_grad_(False)
    assert merge_lora(net) == 0
    assert not any(p.requires_grad for p in net.parameters())


def test_errors_name_the_fix():
    with pytest.raises(ScmambaError, match="rank=0; give 1 or more"):
        add_lora(stack(), rank=0)
    with pytest.raises(ScmambaError, match="in_proj, out_proj"):
        add_lora(stack(), targets=("query",))
    with pytest.raises(ScmambaError, match="merge_lora first"):
        add_lora(trained()[0])


def test_a_layer_in_two_places_stays_one() -> None:
    mixer = TiedBidirectional(Mamba1(8, 4), Mamba1(8, 4))
    assert add_lora(mixer, rank=2) == 2
    forward, reverse = mixer.mamba_fwd, mixer.mamba_rev
    assert reverse.in_proj is forward.in_proj and isinstance(forward.in_proj, LoRALinear)
    forward.in_proj.lora_b.data.normal_(), forward.out_proj.lora_b.data.normal_()
    x = torch.randn(1, 5, 8)
    before, state = mixer(x), merged_state_dict(mixer)
    assert merge_lora(mixer) == 2
    assert reverse.in_proj is forward.in_proj and reverse.out_proj is forward.out_proj
    torch.testing.assert_close(mixer(x), before)
    plain = TiedBidirectional(Mamba1(8, 4), Mamba1(8, 4))
    plain.load_state_dict(state)
    torch.testing.assert_close(plain(x), before)
