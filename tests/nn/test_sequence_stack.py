"""The stack of sequence models: residual stream, strands, pieces and its checks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba.nn.sequence_stack import SequenceStack

MIXERS = [{"mixer": "mamba1"}, {"mixer": "mamba2", "headdim": 8}]


@pytest.mark.parametrize("norm", ["rms", "layer"])
@pytest.mark.parametrize("sizes", MIXERS)
def test_layers_add_to_a_stream(sizes: dict[str, Any], norm: str) -> None:
    stack, x = SequenceStack(2, 16, norm=norm, **sizes), torch.randn(2, 20, 16)
    stream = x
    for layer in stack.layers:
        stream = stream + layer.mixer(layer.norm(stream))
    torch.testing.assert_close(stack(x), stack.norm_f(stream))


def published_ps(stack: SequenceStack, hidden: Tensor) -> Tensor:
    """PS in the published formulation: halves of channels, flips around mixer and norms."""

    def rc(t: Tensor) -> Tensor:
        return t.flip(-2, -1)

    def on_halves(module: torch.nn.Module, first: Tensor, second: Tensor) -> Tensor:
        return torch.cat([module(first), rc(module(rc(second)))], -1)

    residual = None
    for layer in stack.layers:
        residual = hidden if residual is None else hidden + residual
        first, second = residual.chunk(2, -1)
        if stack.exchange_strands:
            first, second = second, first
        residual = torch.cat([first, second], -1)
        normed = on_halves(layer.norm, first, second)
        hidden = on_halves(layer.mixer, *normed.chunk(2, -1))
    residual = hidden if residual is None else hidden + residual
    return on_halves(stack.norm_f, *residual.chunk(2, -1))


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize("sizes", MIXERS)
def test_strands_equal_the_published_formulation(sizes: dict[str, Any], exchanged: bool) -> None:
    options = {"direction": "bidirectional", "rc": "ps", "exchange_strands": exchanged}
    stack, x = SequenceStack(3, 16, **options, **sizes), torch.randn(2, 20, 32)
    for norm in (*(layer.norm for layer in stack.layers), stack.norm_f):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    torch.testing.assert_close(stack(x), published_ps(stack, x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("sizes", MIXERS)
def test_pieces_follow_one_another(sizes: dict[str, Any]) -> None:
    stack, x = SequenceStack(2, 16, **sizes), torch.randn(2, 20, 16)
    parts, states = [], None
    for piece in x.split([1, 1, 15, 3], 1):
        y, states = stack.step(piece, states)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), stack(x), atol=1e-5, rtol=1e-4)


def test_half_precision_keeps_its_stream_in_float32() -> None:
    stack, x = SequenceStack(1, 16), torch.randn(1, 5, 16).bfloat16()
    assert stack(x).dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mixer": "mamba3"}, "mixer='mamba3'; allowed: 'mamba1', 'mamba2'"),
        ({"direction": "both"}, "direction='both'; allowed"),
        ({"rc": "ph"}, "rc='ph'; allowed"),
        ({"norm": "batch"}, "norm='batch'; allowed"),
        ({"exchange_strands": True}, "exchange_strands=True needs rc='ps'"),
        ({"rc": "ps"}, "needs direction='bidirectional'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        SequenceStack(1, 16, **options)


def test_pieces_need_a_causal_stack_and_its_states() -> None:
    x = torch.randn(1, 5, 16)
    with pytest.raises(ScmambaError, match="step needs direction='causal'"):
        SequenceStack(1, 16, direction="bidirectional").step(x)
    stack = SequenceStack(2, 16)
    with pytest.raises(ScmambaError, match="1 states for 2 layers"):
        stack.step(x, stack.step(x)[1][:1])
