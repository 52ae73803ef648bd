"""One residual layer, published and extended."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.block import Block


class Double(nn.Module):
    """Stands in for a mixer."""

    d_model = 6

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        return 2 * x if padding_mask is None else 2 * x.masked_fill(padding_mask[..., None], 0)


X = torch.randn(2, 3, 6)
MASK = torch.tensor([[False, False, True], [False] * 3])


def test_published_layer_is_the_bare_sum() -> None:
    block = Block(Double())
    assert not list(block.parameters())
    assert torch.equal(block(X, MASK), X + Double()(X, MASK))


def test_norm_and_mlp_come_before_and_behind() -> None:
    block = Block(Double(), pre_norm=True, mlp_ratio=1.5)
    assert block.mlp is not None and block.mlp[0].out_features == 9  # type: ignore[index]
    between = X + 2 * nn.functional.layer_norm(X, (6,))
    expected = between + block.mlp(nn.functional.layer_norm(between, (6,)))
    torch.testing.assert_close(block(X), expected)


def test_dropout_acts_on_what_a_branch_adds() -> None:
    block = Block(Double(), dropout=0.5)
    added = block(torch.ones(1, 50, 6)) - 1
    assert set(added.unique().tolist()) == {0.0, 4.0}
    assert torch.equal(block.eval()(X), 3 * X)


def test_negative_mlp_is_named() -> None:
    with pytest.raises(ScmambaError, match="mlp_ratio=-1"):
        Block(Double(), mlp_ratio=-1)
