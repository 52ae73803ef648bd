"""The backbone."""

from __future__ import annotations

import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.nn.bidirectional import BidirectionalMamba2
from scmamba.nn.mamba2 import Mamba2
from scmamba.nn.stack import Stack

SIZES = {"d_state": 4, "headdim": 4}


def test_layers_add_to_what_came_before() -> None:
    stack = Stack(2, 8, **SIZES)
    x = torch.randn(2, 10, 8)
    mask = torch.arange(10) >= torch.tensor([[7], [10]])
    expected = x
    for layer in stack.layers:
        expected = expected + layer.mamba(expected, mask)  # type: ignore[operator]
    torch.testing.assert_close(stack(x, mask), expected)


def test_names_are_the_published_ones() -> None:
    assert "layers.1.mamba.in_proj.weight" in Stack(2, 8, **SIZES).state_dict()


@pytest.mark.parametrize(
    ("direction", "mixer"), [("causal", Mamba2), ("bidirectional", BidirectionalMamba2)]
)
def test_direction(direction: str, mixer: type[Mamba2]) -> None:
    stack = Stack(1, 8, direction=direction, pre_norm=True, mlp_ratio=2, **SIZES)
    assert type(stack.layers[0].mamba) is mixer


def test_no_layers_leave_the_input_alone() -> None:
    x = torch.randn(1, 3, 8)
    assert torch.equal(Stack(0, 8)(x), x)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ScmambaError, match="direction='both'.*'causal', 'bidirectional'"):
        Stack(1, 8, direction="both")
    with pytest.raises(ScmambaError, match="n_layer=-1"):
        Stack(-1, 8)


def kept_bytes(stack: Stack, x: torch.Tensor) -> tuple[int, list[torch.Tensor]]:
    """Bytes that a forward pass keeps for the backward pass, and the gradients."""
    kept: dict[int, int] = {}

    def keep(t: torch.Tensor) -> torch.Tensor:
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        y = stack(x, torch.arange(64) >= torch.tensor([[50], [64]]))
    gradients = torch.autograd.grad(y.square().sum(), [*stack.parameters()])
    return sum(kept.values()), list(gradients)


def test_checkpointing_keeps_less_and_gives_the_same_gradients() -> None:
    torch.manual_seed(0)
    stack = Stack(3, 8, dropout=0.3, mlp_ratio=2, pre_norm=True, **SIZES)
    x = torch.randn(2, 64, 8)
    all_of_it, expected = kept_bytes(stack, x)
    stack.checkpointing = True
    little, gradients = kept_bytes(stack, x)
    assert little < all_of_it / 5
    for found, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(found, wanted)
