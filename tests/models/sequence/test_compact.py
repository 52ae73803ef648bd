"""The compact model against a slow one written out, and what padding must not change."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from scmamba import ScmambaError
from scmamba.models.sequence.compact import CodonStem, CompactConfig, CompactModel, window_means

SMALL = {"d_model": 8, "d_state": 4, "headdim": 8, "stem_width": 5, "pool_heads": 2}


def trained(config: CompactConfig) -> CompactModel:
    """A model as after training: norms have seen something, no dropout."""
    model = CompactModel(config)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm1d):
            norm.running_mean.normal_(), norm.running_var.uniform_(0.5, 2)
    return model.eval()


def slow(model: CompactModel, ids: list[int]) -> torch.Tensor:
    """One sequence, position by position, without Mamba layers."""
    stem, c = model.stem, model.config
    half, tokens = c.stem_width // 2, []
    for at in range(len(ids)):
        total = stem.conv.bias.clone()
        for k in range(c.stem_width):
            where = at + k - half
            if 0 <= where < len(ids) and 1 <= ids[where] <= 4:
                total = total + stem.conv.weight[:, ids[where] - 1, k]
        scaled = (total - stem.norm.running_mean) / (stem.norm.running_var + 1e-5).sqrt()
        place = min(at, c.n_positions - 1)
        tokens.append(F.gelu(scaled) + model.position.weight[place])
    hidden = torch.stack([model.norm(token) for token in tokens])
    parts = []
    for head in range(c.pool_heads):
        scores = torch.stack(
            [
                hidden[at] @ model.pool.query[head] / math.sqrt(c.d_model)
                + model.pool.bias.weight[min(at, c.n_positions - 1), head]
                for at in range(len(ids))
            ]
        )
        parts.append(scores.softmax(0) @ hidden)
    return model.head(model.pool.project(torch.cat(parts))[None])[0]


def test_matches_a_model_written_out() -> None:
    model = trained(CompactConfig(3, n_layer=0, n_positions=12, **SMALL))
    model.pool.bias.weight.data.normal_()
    ids = torch.randint(1, 6, (1, 15))
    torch.testing.assert_close(model(ids)[0], slow(model, ids[0].tolist()))


@pytest.mark.parametrize("unit", ["nucleotide", "codon"])
@pytest.mark.parametrize("n_positions", [0, 10])
def test_padding_changes_nothing(unit: str, n_positions: int) -> None:
    model = trained(CompactConfig(2, unit=unit, n_positions=n_positions, **SMALL))
    ids = torch.randint(1, 6, (3, 24))
    alone = model(ids)
    for filler in (0, 3):
        padded = F.pad(ids, (0, 7), value=filler)
        mask = torch.zeros_like(padded, dtype=torch.bool)
        mask[:, 24:] = True
        torch.testing.assert_close(model(padded, mask), alone, atol=1e-5, rtol=1e-5)


def test_every_nucleotide_is_predicted() -> None:
    model = trained(CompactConfig(4, per_token=True, **SMALL))
    ids = torch.randint(1, 5, (2, 11))
    assert model(ids).shape == (2, 11, 4)
    changed = ids.clone()
    changed[:, 0] = 5
    assert not torch.equal(model(ids)[:, -1], model(changed)[:, -1])  # the scan reaches far


def test_codons() -> None:
    stem = CodonStem(4)
    ids = torch.tensor([[1, 1, 1, 4, 3, 2, 5, 1, 1, 2, 2]])  # AAA, TGC, NAA and two left over
    found, _ = stem(ids, None)
    expected = stem.embedding.weight[[0, 3 * 16 + 2 * 4 + 1, 64]]
    torch.testing.assert_close(found[0], expected)
    with pytest.raises(ScmambaError, match="have 2 nucleotides; a codon has 3"):
        stem(ids[:, :2], None)


def test_position_tells_places_apart() -> None:
    torch.manual_seed(1)
    blind = trained(CompactConfig(2, n_layer=0, **SMALL))
    seeing = trained(CompactConfig(2, n_layer=0, n_positions=40, **SMALL))
    seeing.position.weight.data.mul_(50)
    motif, rest = [1, 2, 3, 4, 4, 3, 2, 1], [1] * 32
    early, late = torch.tensor([[1] * 4 + motif + rest]), torch.tensor([rest + motif + [1] * 4])
    torch.testing.assert_close(blind(early), blind(late))
    assert not torch.allclose(seeing(early), seeing(late), atol=1e-3)


def test_config_round_trip_and_refusals() -> None:
    config = CompactConfig(3, unit="codon", n_positions=5)
    assert CompactConfig.from_json(config.to_json()) == config
    for wrong, message in [
        ({"unit": "protein"}, "allowed: 'nucleotide', 'codon'"),
        ({"stem_width": 4}, "give an odd number"),
        ({"dropout": 1.0}, r"give a number in \[0, 1\)"),
        ({"per_token": True, "unit": "codon"}, "needs unit"),
        ({"n_layer": -1}, "give 0 or more"),
    ]:
        with pytest.raises(ScmambaError, match=message):
            CompactConfig(**{"n_outputs": 2, **wrong})


def test_windows_are_means_of_neighbors() -> None:
    hidden = torch.randn(2, 7, 3)
    mask = torch.arange(7) >= torch.tensor([[7], [4]])
    means, padded = window_means(hidden, mask, 3)
    assert padded.tolist() == [[False] * 3, [False, False, True]]
    torch.testing.assert_close(means[0, 2], hidden[0, 6])
    torch.testing.assert_close(means[0, 0], hidden[0, :3].mean(0))
    torch.testing.assert_close(means[1, 1], hidden[1, 3])  # what follows is padding
    assert (means[1, 2] == 0).all()
    alone, _ = window_means(hidden[1:, :4], None, 3)
    torch.testing.assert_close(alone[0], means[1, :2])


@pytest.mark.parametrize("unit", ["nucleotide", "codon"])
def test_padding_does_not_change_windows(unit: str) -> None:
    model = trained(CompactConfig(2, unit=unit, window=4, n_layer=1, **SMALL))
    ids = torch.randint(1, 5, (1, 30))
    longer = torch.cat([ids, torch.zeros(1, 12, dtype=torch.long)], 1)
    mask = torch.arange(42)[None] >= 30
    torch.testing.assert_close(model(ids), model(longer, mask), atol=1e-5, rtol=1e-4)


def test_nucleotides_are_not_averaged_where_each_is_predicted() -> None:
    with pytest.raises(ScmambaError, match="per_token=True needs window=1, not 4"):
        CompactConfig(2, per_token=True, window=4)
