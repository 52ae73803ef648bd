"""Our own format: written whole or not at all, and read only if nothing was changed."""

import json
import os

import pytest
import torch
from safetensors.torch import save_file

from scmamba import models
from scmamba._errors import ScmambaError
from scmamba.models.checkpoint import format as checkpoint
from scmamba.models.checkpoint import writing
from scmamba.nn.lora import add_lora
from scmamba.tokens.cells.vocab import Vocab


def model(**changes):
    torch.manual_seed(0)
    sizes = {"d_model": 16, "d_state": 8, "headdim": 8, "n_genes": 20, "n_classes": 3}
    net = models.CellModel(models.preset("mini", **{**sizes, **changes})).eval()
    net.vocab = Vocab([f"G{i}" for i in range(17)])
    return net


@pytest.fixture
def folder(tmp_path):
    return models.save(model(), tmp_path / "model")


def test_half_the_space(folder, tmp_path):
    half = models.save(model(), tmp_path / "half", half=True)
    sizes = [(one / "model.safetensors").stat().st_size for one in (half, folder)]
    assert sizes[0] < 0.7 * sizes[1]
    again = models.load(half)
    for name, tensor in model().state_dict().items():
        found = again.state_dict()[name]
        assert found.dtype == tensor.dtype
        torch.testing.assert_close(found, tensor, atol=1e-3, rtol=1e-3)


def test_too_large_for_half_the_space(tmp_path):
    net = model()
    with torch.no_grad():
        net.gene_embedding.embedding.weight[0, 0] = 1e6
    with pytest.raises(ScmambaError, match="16-bit floats end at"):
        models.save(net, tmp_path / "half", half=True)
    assert not (tmp_path / "half").exists()


def test_round_trip(folder):
    net, again = model(), models.load(folder)
    assert again.config == net.config
    assert again.vocab == net.vocab
    assert again.report.complete
    assert again.report.n_matched == len(net.state_dict())
    assert all(torch.equal(t, again.state_dict()[name]) for name, t in net.state_dict().items())
    ids, values = torch.randint(0, 20, (2, 6)), torch.rand(2, 6)
    assert torch.equal(net(ids, values).class_logits, again(ids, values).class_logits)
    assert sorted(os.listdir(folder)) == ["config.json", "model.safetensors", "vocab.json"]
    assert len(again.sha256) == 64


def test_saving_again_replaces_the_model_alone(folder):
    models.save(model(n_classes=5), folder)
    assert models.load(folder).config.n_classes == 5
    assert os.listdir(folder.parent).count("model") == 1
    assert [name for name in os.listdir(folder.parent) if name.startswith(".")] == []


def test_a_model_without_names(tmp_path):
    net = model()
    net.vocab = None
    assert models.load(models.save(net, tmp_path / "model")).vocab is None


def test_low_rank_parts_are_merged(tmp_path):
    net = model()
    add_lora(net.stack, rank=2)
    for name, parameter in net.named_parameters():
        if name.endswith("lora_b"):
            torch.nn.init.normal_(parameter)
    again = models.load(models.save(net, tmp_path / "model"))
    ids, values = torch.randint(0, 20, (2, 6)), torch.rand(2, 6)
    torch.testing.assert_close(again(ids, values).hidden, net(ids, values).hidden)
    assert again.report.complete


def test_changes_at_load(folder):
    other = models.load(folder, n_classes=7, dropout=0.3)
    assert other.config.encoder.dropout == other.value_embedding.dropout.p == 0.3
    assert [m.split(":")[0] for m in other.report.mismatched] == [
        "heads.class.out.weight",
        "heads.class.out.bias",
    ]
    with pytest.raises(ScmambaError, match=r"weights of the model .*\n.*heads.class.out.weight"):
        models.load(folder, n_classes=7, allow_missing_heads=False)
    without = models.load(folder, n_classes=0)
    assert all(name.startswith("heads.class.") for name in without.report.unused)
    with pytest.raises(ScmambaError, match="missing: stack.layers.2.mamba.dt_bias"):
        models.load(folder, n_layer=3)
    with pytest.raises(ScmambaError, match="unknown configuration field.* n_class"):
        models.load(folder, n_class=3)


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.json"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0])
def test_truncated_or_tampered(folder, name, keep):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ScmambaError, match=f"{name} was truncated or changed"):
        models.load(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_damaged_safetensors_with_the_right_hash(folder, keep):
    path, config = folder / "model.safetensors", folder / "config.json"
    path.write_bytes(path.read_bytes()[:keep])
    content = json.loads(config.read_text())
    content["saved"]["files"][path.name] = checkpoint.sha256(path)
    config.write_text(json.dumps(content))
    edited(folder)
    with pytest.raises(ScmambaError, match=r"model\.safetensors is damaged"):
        models.load(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "vocab.json"])
def test_missing_files(folder, name):
    (folder / name).unlink()
    with pytest.raises(ScmambaError, match=f"{name} is missing"):
        models.load(folder)


def edited(folder, **changes):
    path = folder / "config.json"
    content = {**json.loads(path.read_text()), **changes}
    content = {k: v for k, v in content.items() if v is not None}
    if "saved" in content:  # sealed as by whoever saved it so
        content["saved"]["seal"] = checkpoint.seal(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 99}, "format version 99, and this scmamba reads up to 2"),
        ({"format_version": None}, "format_version=None"),
        ({"encoder": {"n_genes": 20, "d_model": "wide"}}, "d_model='wide'"),
        ({"new": 3}, "unknown configuration field.* new"),
        ({"saved": None}, "should list model.safetensors"),
        ({"saved": {"files": {}}}, "should list model.safetensors"),
        ({"saved": {"files": {"model.safetensors": "", "../x": ""}}}, "should list"),
        (
            {"encoder": {"n_genes": 20, "d_model": 24, "headdim": 8}},
            "of another shape: gene_embedding.embedding.weight",
        ),
        (
            {"encoder": {"n_genes": 19, "d_model": 16, "headdim": 8}},
            "gene_embedding.embedding.weight",
        ),
    ],
)
def test_a_wrong_config(folder, changes, message):
    edited(folder, **changes)
    with pytest.raises(ScmambaError, match=message):
        models.load(folder)


def test_config_that_is_no_json(folder):
    (folder / "config.json").write_text("{")
    with pytest.raises(ScmambaError, match="config.json is not JSON"):
        models.load(folder)


def test_an_older_config_loads(folder):
    edited(folder, batch_labels=None)
    assert models.load(folder).config == model().config


def test_an_edited_config_is_refused(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"value_clip": 512.0', '"value_clip": 5.0'))
    with pytest.raises(ScmambaError, match=r"config\.json was changed since it was saved"):
        models.load(folder)


def test_a_config_of_before_seals_loads(folder):
    path = folder / "config.json"
    content = json.loads(path.read_text())
    del content["saved"]["seal"]
    path.write_text(json.dumps(content))
    assert models.load(folder).config == model().config


def test_weights_have_the_mode_of_the_other_files(folder):
    modes = {path.name: path.stat().st_mode for path in folder.iterdir()}
    assert len(set(modes.values())) == 1, modes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder.n_layer": 10**7}, "n_layer=10000000; give at most"),
        ({"encoder.n_genes": 10**12}, "n_genes=1000000000000; give at most"),
        ({"heads.class.n_layer": 10**6}, "n_layer=1000000; give at most"),
        (
            {"encoder.input_norm": "per_batch", "n_batches": 10**9},
            "n_batches=1000000000; give at most",
        ),
        ({"heads.class.n_classes": 10**8}, r"asks for .* such as heads\.class\.out\.weight"),
        ({"heads.counts.n_counts": 10**7}, r"asks for .* such as heads.counts"),
        ({"encoder.d_model": 10**5}, "d_model=100000; give at most"),
        ({"encoder.d_model": 10**50}, "a whole number of 51 digits"),
        ({"encoder.n_layer": 500}, "missing: stack.layers.499"),
    ],
)
def test_sizes_are_not_believed(folder, changes, message):
    content = json.loads((folder / "config.json").read_text())
    for place, value in changes.items():
        *above, name = place.split(".")
        holder = content
        for part in above:
            holder = holder.setdefault(part, {})
        holder[name] = value
    edited(folder, **content)
    with pytest.raises(ScmambaError, match=message) as caught:
        models.load(folder)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "vocab.json", "model.safetensors"])
def test_pipes_in_place_of_files(folder, name):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(ScmambaError, match=r"regular file|holds no model") as caught:
        models.load(folder)
    assert str(folder) in str(caught.value)


ODD = [None, True, -1, 1.5, 10**30, "text", [], [None], {}, {"a": {"b": []}}, [[[]]]]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_every_field_with_every_wrong_type(folder, value):
    path = folder / "config.json"
    whole = path.read_text()
    content = json.loads(whole)
    places = [(content, name) for name in content]
    places += [
        (content[part], name) for part in ("encoder", "pool", "heads") for name in content[part]
    ]
    places += [(settings, name) for settings in content["heads"].values() for name in settings]
    places += [(content["saved"], name) for name in content["saved"]]
    places += [(content["saved"]["files"], "model.safetensors")]
    places += [(content["saved"]["about"], name) for name in ("left_out", "notes")]
    for holder, name in places:
        before = holder.get(name)
        holder[name] = value
        if isinstance(content.get("saved"), dict) and name != "seal":
            content["saved"]["seal"] = checkpoint.seal(content)
        path.write_text(json.dumps(content))
        holder[name] = before
        if before is None:
            del holder[name]
        try:
            models.load(folder)
        except ScmambaError as error:
            assert str(folder) in str(error), error  # noqa: PT017


def test_a_folder_of_version_1_loads(folder, tmp_path):
    """Version 1 had flat settings and every head by itself; nothing sealed them."""
    net, old = model(), tmp_path / "old"
    old.mkdir()
    names = {"heads.class.": "class_head.", "heads.mvc.": "mvc_head."}
    names["heads.expression."] = "expression_head."
    state = {}
    for name, tensor in net.state_dict().items():
        start = next((start for start in names if name.startswith(start)), "")
        state[names.get(start, "") + name.removeprefix(start)] = tensor
    assert not any(name.startswith("heads.") for name in state)
    save_file(state, old / "model.safetensors")
    net.vocab.to_json(old / "vocab.json")
    flat = {"n_genes": 20, "d_model": 16, "d_state": 8, "headdim": 8, "n_classes": 3}
    flat |= {"pre_norm": True, "pool": "attention", "mvc": True, "dropout": 0.1}
    files = {path.name: checkpoint.sha256(path) for path in old.iterdir()}
    saved = {"scmamba": "0.1", "files": files, "about": {}}
    content = {"format_version": 1, **flat, "ecs_threshold": 0.3, "n_domains": 0, "saved": saved}
    (old / "config.json").write_text(json.dumps(content))
    again = models.load(old)
    assert again.config == net.config and again.report.complete and again.vocab == net.vocab
    assert all(torch.equal(t, again.state_dict()[name]) for name, t in net.state_dict().items())


def test_nothing_there(tmp_path):
    with pytest.raises(
        ScmambaError, match="neither a folder nor a known name.*sc-mamba2-whole-body"
    ):
        models.load(tmp_path / "nothing")
    with pytest.raises(ScmambaError, match="holds no model.*Found: nothing"):
        models.load(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ScmambaError, match="is a file; give a folder"):
        models.save(model(), tmp_path / "file")
    with pytest.raises(ScmambaError, match="cannot write .*file is a file; give a folder"):
        models.save(model(), tmp_path / "file" / "model")
    assert (tmp_path / "file").read_text() == "mine"


def test_files_of_others_are_not_replaced(folder):
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ScmambaError, match="holds other files .notes.txt"):
        models.save(model(), folder)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_an_interrupted_save_leaves_the_old_model(folder, monkeypatch, error):
    def fail(*args):
        raise error

    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    monkeypatch.setattr(writing, "sha256", fail)
    with pytest.raises(BaseException) as raised:
        models.save(model(n_classes=5), folder)
    assert raised.type in (KeyboardInterrupt, ScmambaError)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert os.listdir(folder.parent) == ["model"]


def test_a_failed_move_brings_the_old_model_back(folder, monkeypatch):
    replace, calls = os.replace, []

    def second_fails(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError("no")
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    monkeypatch.setattr("scmamba._files.exchange.swap", lambda *_: False)
    net = model(n_classes=5)
    net.vocab = None  # its own atomic write moves a file too
    with pytest.raises(ScmambaError, match="cannot write"):
        models.save(net, folder)
    assert models.load(folder).config.n_classes == 3


def test_device(folder):
    assert models.load(folder, device="cpu").pool.query.device.type == "cpu"
    for device in ("gpu", "cuda:99", 1.5):
        with pytest.raises(ScmambaError, match="device="):
            models.load(folder, device=device)
    assert models.resolve_device("auto").type in ("cpu", "cuda", "mps")


@pytest.mark.parametrize(
    ("kind", "near"), [("mamba3", "did you mean 'mamba' or 'mamba2'"), ("gpt2", "known: caduceus")]
)
def test_a_layout_that_is_not_read(tmp_path, kind, near):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, "d_model": 8}))
    for read in (models.load, models.info):
        with pytest.raises(ScmambaError, match=f"model_type='{kind}', which is not read; {near}"):
            read(tmp_path)
