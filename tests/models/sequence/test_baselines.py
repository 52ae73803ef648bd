"""The published sizes, and what padding must not change."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scmamba import ScmambaError
from scmamba.models.sequence.baselines import (
    BASELINES,
    CNNClassifier,
    TransformerClassifier,
    mamba_classifier,
)

SMALL = {
    "mamba": {"d_model": 16, "n_layer": 2, "d_state": 4},
    "cnn": {"d_model": 16},
    "transformer": {"d_model": 16, "n_layer": 2, "n_heads": 2, "d_ff": 32, "max_length": 60},
}


def n_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "published"), [("mamba", 5.26e6), ("cnn", 2.10e6), ("transformer", 3.32e6)]
)
def test_published_number_of_parameters(name: str, published: float) -> None:
    with torch.device("meta"):
        found = n_parameters(BASELINES[name](2))
    assert round(found / 1e4) == round(published / 1e4)


def test_parameters_layer_by_layer() -> None:
    with torch.device("meta"):
        cnn, transformer = CNNClassifier(3), TransformerClassifier(3)
        mamba = mamba_classifier(3)
    head = 256 * 3 + 3
    convs = sum(256 * 256 * width + 256 + 2 * 256 for width in (15, 9, 5, 3))
    assert n_parameters(cnn) == 6 * 256 + convs + head
    attention, mlp, norms = 4 * 256 * 257, 256 * 512 + 512 + 512 * 256 + 256, 4 * 256
    ends = 6 * 256 + 601 * 256 + 256 + 2 * 256 + head
    assert n_parameters(transformer) == 6 * (attention + mlp + norms) + ends
    inner = 512
    mixer = 256 * 2 * inner + inner * 5 + inner * (16 + 32) + 16 * inner + inner
    mixer += inner * 16 + inner + inner * 256
    assert n_parameters(mamba) == 12 * (mixer + 2 * 256) + 6 * 256 + 2 * 256 + head


@pytest.mark.parametrize("name", BASELINES)
def test_padding_changes_nothing(name: str) -> None:
    model = BASELINES[name](3, **SMALL[name])
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d):  # statistics as they are after training
            norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2)
    model.eval()
    ids = torch.randint(1, 6, (2, 37))
    alone = model(ids)
    assert alone.shape == (2, 3)
    padded = F.pad(ids, (0, 14))
    mask = padded == 0
    torch.testing.assert_close(model(padded, mask), alone, atol=1e-5, rtol=1e-5)
    mask[:, 20:] = True
    cut = model(padded, mask)
    torch.testing.assert_close(cut, model(ids[:, :20]), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(cut, alone, atol=1e-3)


def test_padding_is_no_part_of_the_statistics() -> None:
    ids = torch.randint(1, 6, (4, 32))
    torch.manual_seed(0)
    one = CNNClassifier(2, d_model=8)
    torch.manual_seed(0)
    other = CNNClassifier(2, d_model=8)
    one(ids), other(F.pad(ids, (0, 32)), F.pad(ids == 0, (0, 32), value=True))
    for (name, a), b in zip(one.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(a, b, msg=name)


def test_mamba_is_causal_and_the_transformer_is_not() -> None:
    ids = torch.randint(1, 5, (1, 20))
    changed = ids.clone()
    changed[0, -1] = 5
    mamba, transformer = mamba_classifier(2, **SMALL["mamba"]), TransformerClassifier(2)
    before, after = (mamba.backbone.hidden_states(x) for x in (ids, changed))
    torch.testing.assert_close(before[:, :-1], after[:, :-1])
    swapped = ids.flip(1)
    assert not torch.allclose(transformer.eval()(ids), transformer(swapped))


def test_lengths_that_do_not_fit() -> None:
    with pytest.raises(ScmambaError, match="61 positions; this Transformer knows 60"):
        TransformerClassifier(2, **SMALL["transformer"])(torch.ones(1, 61, dtype=torch.long))
    with pytest.raises(
        ScmambaError, match="a sequence has 15 positions; this CNN halves them 4 times"
    ):
        CNNClassifier(2, d_model=8)(torch.ones(1, 15, dtype=torch.long))
