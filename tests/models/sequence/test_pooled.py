"""Heads on pretrained models: what is pooled, and networks on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scmamba import ScmambaError
from scmamba.models import SequenceModel
from scmamba.models.sequence.baselines import CNNClassifier
from scmamba.models.sequence.compact import CompactConfig, CompactModel
from scmamba.models.sequence.networks import load_network, save_network
from scmamba.models.sequence.pooled import PooledModel

SIZES = {"d_model": 8, "n_layer": 1, "d_state": 4, "headdim": 8}


def pooled(**changes: object) -> PooledModel:
    backbone = SequenceModel.from_preset("bimamba2", **{**SIZES, **changes})
    return PooledModel(backbone, 3).eval()


def test_mean_over_nucleotides_alone() -> None:
    model = pooled()
    tokenizer = model.backbone.tokenizer
    ids = torch.from_numpy(tokenizer.encode("ACGNTTGA", special=True))[None]
    assert tokenizer.sep_id in ids
    hidden = model.backbone.hidden_states(ids)[0, :-1]
    torch.testing.assert_close(model(ids)[0], model.head(hidden.mean(0)))
    padded = F.pad(ids, (0, 5), value=tokenizer.pad_id)
    mask = F.pad(torch.zeros_like(ids, dtype=torch.bool), (0, 5), value=True)
    torch.testing.assert_close(model(padded, mask), model(ids), atol=1e-5, rtol=1e-5)


def test_equivariant_models_do_not_tell_strands_apart() -> None:
    model = pooled(rc="ps")
    nn.init.normal_(model.backbone.embedding.embedding.weight)
    tokenizer = model.backbone.tokenizer
    one, other = (
        torch.from_numpy(tokenizer.encode(text))[None] for text in ("AACGTCCA", "TGGACGTT")
    )
    torch.testing.assert_close(model(one), model(other), atol=1e-5, rtol=1e-5)
    per_token = PooledModel(model.backbone, 2, per_token=True).eval()
    torch.testing.assert_close(per_token(one).flip(1), per_token(other), atol=1e-5, rtol=1e-5)
    assert per_token(one).shape == (1, 8, 2)


def test_networks_on_disk(tmp_path: Path) -> None:
    compact = CompactModel(CompactConfig(2, n_positions=6, d_model=8, headdim=8)).eval()
    ids = torch.randint(1, 5, (2, 9))
    for name, network in {"compact": compact, "pooled": pooled()}.items():
        save_network(network, tmp_path / name)
        back = load_network(tmp_path / name)
        assert not back.training
        torch.testing.assert_close(back(ids), network(ids))


def test_damaged_or_unknown_networks(tmp_path: Path) -> None:
    with pytest.raises(ScmambaError, match="a CNNClassifier cannot be saved"):
        save_network(CNNClassifier(2, d_model=4), tmp_path / "cnn")
    save_network(pooled(), tmp_path / "net")
    about = tmp_path / "net" / "network.json"
    about.write_text(about.read_text().replace("pooled", "puddle"))
    with pytest.raises(ScmambaError, match="network.json: kind=.puddle.; one of compact, pooled"):
        load_network(tmp_path / "net")
    with (tmp_path / "net" / "network.safetensors").open("ab") as file:
        file.write(b"0")
    with pytest.raises(ScmambaError, match="was changed since it was saved"):
        load_network(tmp_path / "net")
