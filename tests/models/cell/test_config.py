"""The configuration checks itself and survives JSON."""

import dataclasses
import json

import pytest

from scmamba._errors import ScmambaError
from scmamba.models import PRESETS, CellConfig, n_parameters, preset
from scmamba.models._config import FORMAT_VERSION


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_round_trip_through_json(name):
    config = preset(name, n_genes=99, n_classes=4, mlp_ratio=2)
    assert CellConfig.from_json(config.to_json()) == config
    assert config.n_genes == 99
    assert config.mlp_ratio == 2.0


def test_the_large_preset_has_the_published_sizes():
    config = preset("large")
    assert (config.n_layer, config.d_model, config.d_state, config.headdim) == (36, 1536, 64, 64)
    assert config.n_genes == 60_530
    assert 620e6 < n_parameters(config) < 630e6  # counted on the meta device


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headdim": 48}, r"headdim=48 does not divide expand \* d_model = 128"),
        ({"ngroups": 3}, "ngroups=3 does not divide the 4 heads"),
        ({"d_model": 0}, "d_model=0; give 1 or more"),
        ({"d_model": 64.0}, "d_model=64.0; give a value of type int"),
        ({"n_layer": True}, "n_layer=True; give a value of type int"),
        ({"mvc": 1}, "mvc=1; give a value of type bool"),
        ({"dropout": 1.0}, r"dropout=1.0; give a number in \[0, 1\)"),
        ({"dropout": float("nan")}, "dropout=nan; give a finite number"),
        ({"ecs_threshold": 2}, "ecs_threshold=2.0"),
        ({"pool": "max"}, "pool='max'; allowed: 'cls', 'mean', 'attention'"),
        ({"value_encoding": "log"}, "allowed: 'continuous', 'scaled', 'product'"),
        ({"input_norm": "layer"}, "allowed: 'batch', 'domain', 'none'"),
        ({"input_norm": "domain"}, "input_norm='domain' with n_domains=0"),
        ({"n_domains": 2}, "input_norm='batch' with n_domains=2"),
        ({"cell_domains": 2}, "cell_domains=2 needs cell_norm=True"),
        ({"n_latent": -1}, "n_latent=-1; give 0 or more"),
        ({"adversary": True}, "adversary=True with n_batches=0"),
        ({"explicit_zero": True, "expression": False, "mvc": False}, "explicit_zero=True needs"),
        ({"mask_value": -2}, "mask_value=-2.0 equals pad_value=-2.0"),
        ({"nlayers": 3}, "unknown configuration field.* nlayers; known: n_genes"),
    ],
)
def test_a_wrong_field_is_named(changes, message):
    with pytest.raises(ScmambaError, match=message):
        preset("mini", n_genes=10, **changes)


def test_unknown_preset():
    with pytest.raises(ScmambaError, match="'mini', 'base', 'large'"):
        preset("huge")


def test_replace_checks_again():
    config = CellConfig(n_genes=10)
    assert config.replace(n_classes=3).n_classes == 3
    with pytest.raises(ScmambaError, match="n_classes=-1"):
        config.replace(n_classes=-1)


def test_fields_that_an_older_version_did_not_write_take_their_default():
    entries = CellConfig(n_genes=10, n_layer=3).to_dict()
    del entries["pool_heads"]
    assert CellConfig.from_dict(entries) == CellConfig(n_genes=10, n_layer=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "format_version=None"),
        ('{"format_version": 1}', "n_genes is missing"),
        ('{"format_version": 1, "n_genes": "9"}', "n_genes='9'; give a value of type int"),
        (json.dumps({"format_version": FORMAT_VERSION + 1}), "update scmamba"),
    ],
)
def test_a_wrong_file_is_explained(text, message):
    with pytest.raises(ScmambaError, match=message):
        CellConfig.from_json(text)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CellConfig(n_genes=10).n_layer = 3
