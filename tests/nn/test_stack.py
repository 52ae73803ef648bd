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
