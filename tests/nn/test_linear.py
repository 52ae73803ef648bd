"""The linear layer against PyTorch's, on one thread and on several."""

from __future__ import annotations

import os

import pytest
import torch
import torch.nn.functional as F

from scmamba.nn import linear
from scmamba.nn.linear import Linear


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(3, 100), (1, 300), (127,), (2, 0), (2, 2, 64)])
def test_equals_torch(shape: tuple[int, ...], bias: bool, threads: int) -> None:
    torch.set_num_threads(threads)
    layer = Linear(24, 40, bias=bias)
    x = torch.randn(*shape, 24, requires_grad=True)
    wrt = [x, *layer.parameters()]
    y, expected = layer(x), F.linear(x, layer.weight, layer.bias)
    assert y.shape == expected.shape and y.is_contiguous()
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
    upstream = torch.randn_like(y)
    ours = torch.autograd.grad(y, wrt, upstream)
    theirs = torch.autograd.grad(expected, wrt, upstream)
    for got, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)


def test_input_of_any_layout() -> None:
    torch.set_num_threads(4)
    layer, x = Linear(24, 40), torch.randn(24, 300).T
    torch.testing.assert_close(
        layer(x), F.linear(x, layer.weight, layer.bias), atol=1e-5, rtol=1e-5
    )


def test_autocast_is_left_to_torch() -> None:
    torch.set_num_threads(4)
    with torch.autocast("cpu", torch.bfloat16):
        assert Linear(24, 40)(torch.randn(300, 24)).dtype == torch.bfloat16


def test_few_plans_are_kept_unless_the_environment_says_how_many(monkeypatch) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    for given, then in ((None, str(linear._PLANS)), ("7", "7")):
        monkeypatch.delenv(name, raising=False)
        if given is not None:
            monkeypatch.setenv(name, given)
        linear._keep_few_plans.__wrapped__()
        assert os.environ[name] == then
    monkeypatch.delenv(name)
