"""The configuration checks itself and survives JSON."""

import dataclasses
import json

import pytest

from scmamba._errors import ScmambaError
from scmamba.models import PRESETS, CellConfig, n_parameters, preset


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_round_trip_through_json(name):
    config = preset(name, n_genes=99, n_classes=4, mlp_ratio=2)
    assert CellConfig.from_json(config.to_json()) == config
    assert config.encoder.n_genes == 99
    assert config.encoder.mlp_ratio == 2.0


def test_the_large_preset_has_the_published_sizes():
    config = preset("large")
    assert (
        config.encoder.n_layer,
        config.encoder.d_model,
        config.encoder.d_state,
        config.encoder.headdim,
    ) == (36, 1536, 64, 64)
    assert config.encoder.n_genes == 60_530
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
        ({"class_layers": 0, "n_classes": 2}, "n_layer=0; give 1 or more"),
        ({"n_classes": "two"}, "n_classes='two'; give a value of type int"),
        ({"pool": "max"}, "method='max'; allowed: 'cls', 'mean', 'sum', 'attention'"),
        ({"value_encoding": "log"}, "allowed: 'continuous', 'scaled', 'product'"),
        ({"input_norm": "layer"}, "allowed: 'none', 'batch', 'per_batch'"),
        ({"input_norm": "per_batch"}, 'input_norm="per_batch" with n_batches=0'),
        ({"cell_norm": "per_batch"}, 'cell_norm="per_batch" with n_batches=0'),
        ({"n_domains": 2, "n_batches": 3}, "n_domains=2, n_batches=3 count the same batches"),
        ({"n_latent": -1}, "n_latent=-1; give 1 or more"),
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
    config = CellConfig.of(n_genes=10)
    assert (
        config.n_classes
        == config.replace(n_classes=3, class_layers=2).replace(n_classes=0).n_classes
    )
    assert config.replace(n_classes=3).n_classes == 3
    with pytest.raises(ScmambaError, match="n_classes=-1"):
        config.replace(n_classes=-1)


def test_fields_that_an_older_version_did_not_write_take_their_default():
    entries = CellConfig.of(n_genes=10, n_layer=3).to_dict()
    del entries["pool"]["n_heads"]
    assert CellConfig.from_dict(entries) == CellConfig.of(n_genes=10, n_layer=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        ("{}", "format_version=None"),
        ('{"format_version": 1}', "n_genes is missing"),
        ('{"format_version": 2}', "encoder is missing from the configuration"),
        ('{"format_version": 2, "encoder": 3}', "encoder=3; give an object of fields"),
        (
            '{"format_version": 2, "encoder": {"n_genes": 3}, "heads": []}',
            "heads=.., give|heads=..",
        ),
        (
            '{"format_version": 2, "encoder": {"n_genes": 3}, "heads": {"x": {}}}',
            "head='x'; allowed",
        ),
        (
            '{"format_version": 2, "encoder": {"n_genes": 3}, "heads": {"class": {"n": 3}}}',
            "unknown configuration field.*n of heads.class; known: n_classes",
        ),
        ('{"format_version": 1, "n_genes": "9"}', "n_genes='9'; give a value of type int"),
        (json.dumps({"format_version": CellConfig.version + 1}), "update scmamba"),
    ],
)
def test_a_wrong_file_is_explained(text, message):
    with pytest.raises(ScmambaError, match=message):
        CellConfig.from_json(text)


VERSION_1 = {
    "format_version": 1,
    "n_genes": 9,
    "d_model": 16,
    "headdim": 8,
    "input_norm": "domain",
    "n_domains": 3,
    "cell_norm": True,
    "cell_domains": 3,
    "n_batches": 3,
    "batch_labels": True,
    "expression": True,
    "mvc": True,
    "explicit_zero": True,
    "n_classes": 4,
    "class_layers": 2,
    "class_dropout": 0.1,
    "n_latent": 5,
    "n_counts": 7,
    "adversary": True,
    "adversary_layers": 1,
    "pool": "attention",
    "pool_heads": 2,
    "pool_masked": False,
    "ecs_threshold": 0.4,
}


def test_the_flat_settings_of_version_1_find_their_places():
    config = CellConfig.from_dict(VERSION_1)
    assert (config.encoder.input_norm, config.pool.norm, config.n_batches) == (
        "per_batch",
        "per_batch",
        3,
    )
    assert config.to_dict()["pool"] == {
        "method": "attention",
        "n_heads": 2,
        "masked": False,
        "norm": "per_batch",
    }
    assert config.to_dict()["heads"] == {
        "expression": {"explicit_zero": True},
        "mvc": {"explicit_zero": True},
        "class": {"n_classes": 4, "n_layer": 2, "dropout": 0.1, "input_relu": False},
        "adversary": {"n_layer": 1},
        "latent": {"n_latent": 5},
        "counts": {"n_counts": 7},
    }
    assert CellConfig.from_json(config.to_json()) == config
    assert hash(CellConfig.from_json(config.to_json())) == hash(config)


def test_norms_per_batch_of_version_1_bring_no_labels():
    entries = {"format_version": 1, "n_genes": 9, "input_norm": "domain", "n_domains": 3}
    config = CellConfig.from_dict(entries | {"n_batches": 0, "batch_labels": True})
    assert (config.n_batches, config.has_batch_labels, config.n_input_norms) == (3, False, 3)
    assert list(config.heads) == ["expression"]  # the default of version 1


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CellConfig.of(n_genes=10).n_batches = 3
