"""The configuration of sequence models: checked when made, the same after a round trip."""

from __future__ import annotations

import dataclasses

import pytest

from scmamba._errors import ScmambaError
from scmamba.models import SEQUENCE_PRESETS, SequenceConfig, sequence_preset

PAIRS = (1, 0, 2)


def test_round_trip():
    config = SequenceConfig(3, rc="ps", complement_map=PAIRS, norm_eps=1e-6, family="caduceus")
    assert SequenceConfig.from_json(config.to_json()) == config
    assert config.to_dict()["kind"] == "sequence"
    assert config.replace(d_model=32).d_model == 32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 0}, "vocab_size=0; give 1 or more"),
        ({"d_state": 0}, "d_state=0"),
        ({"mixer": "mamba3"}, "mixer='mamba3'; allowed: 'mamba1', 'mamba2'"),
        ({"direction": "both"}, "direction='both'"),
        ({"rc": "ph"}, "rc='ph'; allowed: 'none', 'ps'"),
        ({"norm": "batch"}, "norm='batch'"),
        ({"family": "gpt"}, "family='gpt'"),
        ({"norm_eps": 0.0}, "norm_eps=0.0"),
        ({"pad_id": 3}, "pad_id=3 is not among the 3 ids"),
        ({"complement_map": (0, 1)}, "complement_map has 2 entries for vocab_size=3"),
        ({"complement_map": (0, 1, 2.5)}, "complement_map holds 2.5; give whole numbers"),
        ({"complement_map": 3}, "complement_map=3; give a value of type tuple"),
        ({"rc": "ps"}, 'rc="ps" needs a complement_map'),
        ({"fused_add_norm": True}, "fused_add_norm=True with rc='none'"),
        ({"width": 3}, "unknown configuration field.* width"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(ScmambaError, match=message):
        SequenceConfig(vocab_size=3).replace(**changes)


def test_what_a_file_may_not_say():
    entries = SequenceConfig(vocab_size=3).to_dict()
    with pytest.raises(ScmambaError, match="format version 99"):
        SequenceConfig.from_dict({**entries, "format_version": 99})
    del entries["vocab_size"]
    with pytest.raises(ScmambaError, match="vocab_size is missing"):
        SequenceConfig.from_dict(entries)


@pytest.mark.parametrize("name", SEQUENCE_PRESETS)
def test_presets(name):
    config = sequence_preset(name, n_layer=2)
    assert config.n_layer == 2
    assert config == dataclasses.replace(sequence_preset(name), n_layer=2)
    with pytest.raises(ScmambaError, match="unknown configuration field.* layers"):
        sequence_preset(name, layers=2)


def test_unknown_preset():
    with pytest.raises(ScmambaError, match="preset='huge'; allowed: 'nt-mamba', 'bimamba2'"):
        sequence_preset("huge")


def test_sizes_go_to_the_mixer_that_has_them():
    two, one = SequenceConfig(3, mixer="mamba2"), SequenceConfig(3, mixer="mamba1", dt_rank=5)
    assert "headdim" in two.mixer_sizes and "dt_rank" not in two.mixer_sizes
    assert one.mixer_sizes["dt_rank"] == 5 and "headdim" not in one.mixer_sizes
    assert one.replace(dt_rank=0).mixer_sizes["dt_rank"] == "auto"
