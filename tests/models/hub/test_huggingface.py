"""Registered sequence models from a hub on this machine: fetched, checked, locked, cached."""

from __future__ import annotations

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from scmamba import models
from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.cli.download import download
from scmamba.models.hub.sequences import SEQUENCE_MODELS
from scmamba.models.loading import is_sequence_model
from tests.models.hub_server import COMMIT, HubServer

NAME, REPO = "plant-dnamamba-bpe", "zhangtaolab/plant-dnamamba-BPE"


@pytest.fixture
def hub(monkeypatch):
    """A server that the package takes for Hugging Face and for ModelScope."""
    server = HubServer()
    monkeypatch.setenv("SCMAMBA_HUB_URL", server.url)
    monkeypatch.setenv("SCMAMBA_MODELSCOPE_URL", server.url)
    yield server
    server.close()


@pytest.fixture
def dnamamba(hub, golden):
    pytest.importorskip("tokenizers")
    hub.put(golden / "plant_dnamamba_tiny")
    del hub.files["expected.npz"]
    hub.files |= {"modeling_mamba.py": b"raise SystemExit", "README.md": b"hello"}
    return hub


def cached(name=NAME):
    return settings.cache_dir / "models" / name


def left_behind(name=NAME):
    root = cached(name)
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}


def lock():
    return json.loads((cached() / "lock.json").read_text())


def test_a_model_from_the_hub(dnamamba, golden, said):
    assert models.info(NAME).verification.startswith("unverified")
    model = models.load(NAME)
    wanted = models.load(golden / "plant_dnamamba_tiny")
    assert model.config == wanted.config and model.tokenizer == wanted.tokenizer
    assert all(torch.equal(t, model.state_dict()[n]) for n, t in wanted.state_dict().items())
    assert (model.name, model.report.complete) == (NAME, True)
    fetched = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
    assert left_behind() == {"lock.json", *(f"record/{name}" for name in fetched)}  # no code
    assert (lock()["commit"], lock()["source"]) == (COMMIT, "huggingface")
    assert {n: f["sha256"] for n, f in lock()["files"].items()} == {
        name: hashlib.sha256(dnamamba.files[name]).hexdigest() for name in fetched
    }
    assert sum("CC BY-NC-SA 4.0" in line and "cc-by-nc-sa-4.0" in line for line in said) == 1
    assert any(f"at commit {COMMIT}" in line for line in said)
    info = models.info(NAME)
    assert info.verification.startswith(f"checked: huggingface at {COMMIT}")
    assert info.config == wanted.config
    assert info.n_parameters == sum(p.numel() for p in wanted.parameters())
    assert info.size == sum(len(dnamamba.files[name]) for name in fetched)


def test_the_second_load_asks_nobody_and_says_the_license_no_more(dnamamba, said):
    models.load(NAME)
    asked = len(dnamamba.asked)
    assert models.load(REPO).name == NAME  # by its repository too
    assert len(dnamamba.asked) == asked
    assert sum(line.startswith(f"License of {NAME}") for line in said) == 1


def test_safetensors_go_before_a_pickle(dnamamba):
    dnamamba.files["pytorch_model.bin"] = b"never fetched"
    models.load(NAME)
    assert "record/pytorch_model.bin" not in left_behind()


def test_a_pickle_is_read_where_nothing_else_is_there(hub, golden):
    hub.put(golden / "plantcaduceus_tiny")
    model = models.load("plantcaduceus-l20", device="cpu")
    assert model.sha256 == hashlib.sha256(hub.files["pytorch_model.bin"]).hexdigest()
    assert model.config.max_length == model.tokenizer.max_length == 512  # its files do not say
    expected = np.load(golden / "plantcaduceus_tiny" / "expected.npz")
    ids = torch.from_numpy(expected["input_ids"])
    with torch.no_grad():
        got = model.logits(ids)
    assert (got - torch.from_numpy(expected["logits"])).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_the_one_listed(dnamamba, name):
    wrong = {"lfs": {"size": len(dnamamba.files[name]), "sha256": "0" * 64, "pointerSize": 1}}
    dnamamba.listed = {name: wrong if name in dnamamba.large else {"blobId": "0" * 40}}
    with pytest.raises(ScmambaError, match=f"{name} from .* is not the file that is listed"):
        models.load(NAME)
    assert f"record/{name}" not in left_behind() and "lock.json" not in left_behind()
    dnamamba.listed = {}
    assert models.load(NAME).report.complete


def test_a_truncated_download(dnamamba):
    dnamamba.gone, dnamamba.cut = {"hub"}, 10
    with pytest.raises(ScmambaError, match=r"cannot fetch|checksum is not"):
        models.load(NAME)
    assert left_behind() == set()
    dnamamba.gone, dnamamba.cut = set(), None
    assert models.load(NAME).report.complete


def test_modelscope_is_the_second_source(dnamamba, said):
    dnamamba.gone = {"hub"}
    model = models.load(NAME)
    assert model.report.complete
    assert lock()["source"] == "modelscope"
    assert {file["revision"] for file in lock()["files"].values()} == {COMMIT}
    assert any("Asking ModelScope" in line for line in said)
    assert models.info(NAME).verification.startswith("checked: modelscope")


def test_modelscope_goes_on_at_the_commits_of_its_lock(dnamamba, tmp_path):
    dnamamba.gone = {"hub"}
    models.load(NAME)
    shutil.rmtree(cached() / "record")
    dnamamba.listed = {"config.json": {"Revision": "another"}}  # the repository moved on
    assert models.load(NAME).report.complete


def test_no_source_at_all(dnamamba):
    dnamamba.gone = {"hub", "scope"}
    with pytest.raises(ScmambaError, match=r"cannot fetch .*api/v1/models.*by hand into one"):
        models.load(NAME)
    with pytest.raises(ScmambaError, match=r"cannot fetch .*caduceus-ps_seqlen-1k.*by hand"):
        models.load("caduceus-ps-1k")  # on Hugging Face alone


def test_an_odd_listing(dnamamba):
    dnamamba.gone = {"hub"}
    dnamamba.listed = {"config.json": {"Sha256": None}}
    with pytest.raises(ScmambaError, match="gives no checksum for config.json"):
        models.load(NAME)
    dnamamba._listing = lambda: b'{"Code": 10010205001}'
    with pytest.raises(ScmambaError, match="did not list its files"):
        models.load(NAME)


def test_a_repository_without_weights(dnamamba):
    del dnamamba.files["model.safetensors"]
    with pytest.raises(ScmambaError, match="holds no model.safetensors or pytorch_model.bin; fou"):
        models.load(NAME)


def test_the_lock_holds_later_downloads(dnamamba, tmp_path):
    path = tmp_path / "lock.json"
    models.fetch(NAME, lock=path)
    assert json.loads(path.read_text()) == lock()
    changed = json.loads(path.read_text())
    changed["files"]["config.json"]["sha256"] = "0" * 64
    (cached() / "lock.json").write_text(json.dumps(changed))
    with pytest.raises(ScmambaError, match="config.json of .* is not what was locked"):
        models.fetch(NAME, lock=path)


def test_a_shipped_lock_names_the_commit(dnamamba, tmp_path, monkeypatch):
    shipped = tmp_path / "locks"
    shipped.mkdir()
    models.fetch(NAME, lock=shipped / f"{NAME}.json")
    monkeypatch.setattr("scmamba.models.hub.locks.SHIPPED", shipped)
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "another")
    dnamamba.asked.clear()
    assert models.load(NAME).report.complete
    assert any(f"/revision/{COMMIT}" in path for path in dnamamba.asked)
    assert models.info(NAME).verification.startswith("locked")
    dnamamba.commit = "1" * 40  # the commit is gone from the hub: nothing else is taken
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "third")
    dnamamba.gone = {"scope"}
    with pytest.raises(ScmambaError, match="cannot fetch"):
        models.load(NAME)


def test_a_tampered_file_in_the_cache(dnamamba):
    path = models.fetch(NAME) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(ScmambaError, match="model.safetensors was truncated or changed"):
        models.load(NAME)


def test_the_usual_variable_names_the_hub(dnamamba, monkeypatch):
    monkeypatch.delenv("SCMAMBA_HUB_URL")
    monkeypatch.setenv("HF_ENDPOINT", dnamamba.url)
    dnamamba.gone = {"scope"}
    assert models.load(NAME).report.complete
    monkeypatch.setenv("HF_ENDPOINT", "ftp://elsewhere")
    with pytest.raises(ScmambaError, match="must begin with https:// or http://"):
        models.fetch("plant-dnamamba-2mer")


@pytest.mark.parametrize(
    ("name", "bytes_of_its_file"),
    [  # what the pages of the models list
        ("caduceus-ps-131k", 30.9e6),
        ("caduceus-ph-1k", 7.75e6),
        ("caduceus-ph-1k-118", 1.89e6),
        ("plantcaduceus-l24", 175e6),
        ("plantcaduceus-l32", 4 * 225e6),
        ("plantcad2-small", 4 * 88e6),
        ("plantcad2-medium", 4 * 311e6),
        ("plantcad2-large", 4 * 694e6),
    ],
)
def test_registered_sizes_are_the_published_ones(name, bytes_of_its_file):
    assert models.info(name).n_parameters * 4 == pytest.approx(bytes_of_its_file, rel=0.02)


def test_every_registered_model_says_what_it_is():
    assert len({entry.repo for entry in SEQUENCE_MODELS}) == len(SEQUENCE_MODELS) == 21
    for entry in SEQUENCE_MODELS:
        info = models.info(entry.name)
        assert info.verification.startswith("unverified")
        assert entry.repo in info.source and str(info)
        if entry.name.startswith(("mamba2-mrna", "plant-dnamamba")):
            assert "CC BY-NC-SA" in info.license
    assert models.info("mamba2-mrna").n_parameters is None


def test_a_sequence_model_is_told_from_a_cell_model(golden, tmp_path):
    folder = models.save(models.load(golden / "caduceus_ph_tiny"), tmp_path / "own")
    for sequence in (NAME, REPO, golden / "caduceus_ph_tiny", folder):
        assert is_sequence_model(sequence)
    for other in ("sc-mamba2-whole-body", golden / "scmamba2_tiny", tmp_path / "nothing"):
        assert not is_sequence_model(other)


def test_the_command_writes_a_lock(dnamamba, tmp_path, capsys):
    download(NAME, lock=tmp_path / "lock.json")
    assert json.loads((tmp_path / "lock.json").read_text())["commit"] == COMMIT
    assert f"{NAME}: 0.1 M parameters" in capsys.readouterr().out
    asked = len(dnamamba.asked)
    with pytest.raises(ScmambaError, match="does not exist; make it"):
        download(NAME, lock=tmp_path / "nowhere" / "lock.json")
    assert len(dnamamba.asked) == asked


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_without_a_hash_is_refused(dnamamba, name):
    dnamamba.listed = {name: {"lfs": None, "blobId": None}}
    with pytest.raises(ScmambaError, match=f"gives no checksum for {name}.*not fetched"):
        models.load(NAME)
    assert left_behind() == set()


@pytest.mark.parametrize("commit", [None, "", "main", "c0ffee", 7, ["a"]])
def test_what_is_no_commit_is_never_locked(dnamamba, commit):
    dnamamba.commit = commit
    with pytest.raises(ScmambaError, match=r"names the commit|sha=.*text is needed"):
        models.load(NAME)
    assert left_behind() == set()


def test_modelscope_without_a_commit(dnamamba):
    dnamamba.gone = {"hub"}
    dnamamba.listed = {"config.json": {"Revision": None}}
    with pytest.raises(ScmambaError, match="names no commit of config.json"):
        models.load(NAME)


ODD = [None, True, -1, 1.5, "text", [], [None], {}]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_wrong_types_in_every_field_of_the_pages(dnamamba, value):
    page, listing = json.loads(dnamamba._page()), json.loads(dnamamba._listing())
    for name in ("sha", "tags", "siblings"):
        dnamamba._page = lambda name=name: json.dumps({**page, name: value}).encode()
        _refused_or_loaded()
    for name in ("rfilename", "size", "blobId", "lfs"):
        first = [{**file, name: value} for file in page["siblings"]]
        dnamamba._page = lambda first=first: json.dumps({**page, "siblings": first}).encode()
        _refused_or_loaded()
    dnamamba.gone = {"hub"}
    for name in ("Path", "Size", "Sha256", "Revision", "Type"):
        first = [{**file, name: value} for file in listing["Data"]["Files"]]
        dnamamba._listing = lambda first=first: json.dumps({"Data": {"Files": first}}).encode()
        _refused_or_loaded()
    for data in (value, {"Files": value}):
        dnamamba._listing = lambda data=data: json.dumps({"Data": data}).encode()
        _refused_or_loaded()


def _refused_or_loaded():
    shutil.rmtree(cached(), ignore_errors=True)
    try:
        models.load(NAME)
    except ScmambaError as error:
        assert "http://127.0.0.1" in str(error), error  # noqa: PT017


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_wrong_types_in_every_field_of_a_lock(dnamamba, value):
    models.fetch(NAME)
    path = cached() / "lock.json"
    whole = json.loads(path.read_text())
    for name in whole:
        path.write_text(json.dumps({**whole, name: value}))
        try:
            models.load(NAME)
        except ScmambaError as error:
            assert "lock" in str(error), error  # noqa: PT017


def test_two_that_fetch_one_model_at_once(dnamamba):
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(models.fetch, [NAME, NAME]))
    assert folders[0] == folders[1]
    assert models.load(NAME).report.complete
    assert sum("model.safetensors" in path for path in dnamamba.asked) == 1
