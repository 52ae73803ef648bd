"""A registered model from a record server on this machine: fetched, checked, locked, cached."""

import contextlib
import hashlib
import itertools
import json
import zipfile

import pytest
import torch

from scmamba import models
from scmamba._errors import ScmambaError
from scmamba._settings import settings

NAME = "sc-mamba2-whole-body"


def archive(folder, *, inside="scmamba2/whole_body"):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as packed:
        for file in folder.iterdir():
            packed.write(file, f"{inside}/{file.name}")
    return path.read_bytes()


def cached():
    return settings.cache_dir / "models" / NAME


def left_behind():
    """Files in the cache, as a set of paths."""
    return {p.relative_to(cached()).as_posix() for p in cached().rglob("*") if p.is_file()}


@pytest.mark.parametrize("packed", [False, True])
def test_a_valid_record(zenodo, release, said, packed):
    folder = release(n_classes=4)
    if packed:
        zenodo.files = {"weights.zip": archive(folder), "README.md": b"hello"}
    else:
        zenodo.put(folder)
    assert models.info(NAME).verification.startswith("unverified")

    model = models.load(NAME)
    wanted = models.load(folder)
    assert model.config == wanted.config
    assert model.vocab == wanted.vocab
    assert model.name == NAME
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
    assert any("cc-by-4.0" in line and "CC BY-NC" in line for line in said)

    lock = json.loads((cached() / "lock.json").read_text())
    assert {n: f["sha256"] for n, f in lock["files"].items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in zenodo.files.items()
    }
    assert left_behind() == {
        "lock.json",
        *(f"record/{name}" for name in zenodo.files),
        *(f"model/{name}" for name in ("config.json", "vocab.json", "model.safetensors")),
    }
    info = models.info(NAME)
    assert info.verification.startswith("checked")
    assert "cc-by-4.0" in info.license
    assert info.config == wanted.config
    assert (
        info.size
        == sum(p.stat().st_size for p in cached().rglob("*") if p.is_file())
        - (cached() / "lock.json").stat().st_size
    )


def test_the_second_load_asks_nobody_and_the_license_is_said_once(zenodo, release, said):
    zenodo.put(release())
    models.load(NAME)
    asked = len(zenodo.asked)
    models.load(NAME)
    assert len(zenodo.asked) == asked
    assert sum(line.startswith(f"License of {NAME}") for line in said) == 1


def test_what_the_copy_left_out_stays_reported(zenodo, release):
    zenodo.put(
        release(change=lambda s: s.update({"sim.weight": torch.zeros(1)}), args={"DAB": True})
    )
    for _ in range(2):
        report = models.load(NAME).report
        assert report.unused == ("sim.weight",)
        assert any("DAB" in note for note in report.notes)


def test_a_tampered_file(zenodo, release):
    zenodo.put(release())
    zenodo.listed = {"best_model.pt": {"checksum": "md5:" + "0" * 32}}
    with pytest.raises(ScmambaError, match="best_model.pt .* checksum is not md5:0000.* by hand"):
        models.load(NAME)
    assert "record/best_model.pt" not in left_behind()
    assert not (cached() / "model").exists()
    zenodo.listed = {}
    assert models.load(NAME).report.complete


def test_a_truncated_download(zenodo, release):
    zenodo.put(release())
    zenodo.cut = 1
    with pytest.raises(ScmambaError, match="cannot fetch|checksum is not"):
        models.load(NAME)
    assert left_behind() == set()


def test_offline(monkeypatch):
    monkeypatch.setenv("SCMAMBA_ZENODO_URL", "http://127.0.0.1:9")
    message = r"https://doi.org/10.5281/zenodo.14404063 by hand.*scmamba.models.load\(folder\)"
    with pytest.raises(ScmambaError, match=f"cannot fetch http://127.0.0.1:9/.*{message}"):
        models.load(NAME)
    monkeypatch.setenv("SCMAMBA_ZENODO_URL", "ftp://elsewhere")
    with pytest.raises(ScmambaError, match="must begin with https:// or http://"):
        models.load(NAME)


def test_a_record_that_is_gone(zenodo, monkeypatch):
    monkeypatch.setenv("SCMAMBA_ZENODO_URL", zenodo.url + "/elsewhere")
    with pytest.raises(ScmambaError, match=r"cannot fetch .*HTTPError.*by hand"):
        models.load(NAME)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"doi": "10.5281/zenodo.1"}, "asked for 10.5281/zenodo.14404063, but .*zenodo.1"),
        ({"files": []}, "lists no files"),
        ({"files": None}, "files=null; a list is needed"),
        ({"metadata": 3}, "metadata=3; an object"),
    ],
)
def test_an_odd_record(zenodo, release, record, message):
    zenodo.put(release())
    zenodo.record = record
    with pytest.raises(ScmambaError, match=message):
        models.load(NAME)


def test_wrong_types_in_every_field(zenodo, release):
    zenodo.put(release())
    odd = [None, True, -1, 1.5, "text", [], [None], {}]
    places = [("record", name) for name in ("id", "doi", "conceptdoi", "metadata", "files")]
    places += [("entry", name) for name in ("key", "size", "checksum")]
    for (where, name), value in itertools.product(places, odd):
        zenodo.record = {name: value} if where == "record" else {}
        zenodo.listed = {"args.json": {name: value}} if where == "entry" else {}
        with contextlib.suppress(ScmambaError):
            models.fetch(NAME)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"key": "../args.json"}, "refused"),
        ({"key": "a/b"}, "refused"),
        ({"key": ".."}, "refused"),
        ({"checksum": ""}, "gives no checksum for args.json"),
        ({"checksum": None}, "gives no checksum"),
        ({"size": -1}, "the size -1"),
        ({"size": 2**60}, "GiB free; free disk space"),
    ],
)
def test_an_odd_entry(zenodo, release, entry, message):
    zenodo.put(release())
    zenodo.listed = {"args.json": entry}
    with pytest.raises(ScmambaError, match=message):
        models.load(NAME)


def test_a_newer_version_of_the_record(zenodo, release):
    zenodo.put(release())
    zenodo.record = {"doi": "10.5281/zenodo.99", "conceptdoi": "10.5281/zenodo.14404063"}
    models.load(NAME)
    assert models.info(NAME).source == "https://doi.org/10.5281/zenodo.99"


def test_no_model_in_the_record(zenodo):
    zenodo.files = {"table.csv": b"1,2"}
    with pytest.raises(ScmambaError, match="hold 0 folders with args.json.*Fetched: table.csv"):
        models.load(NAME)


def test_two_models_in_the_record(zenodo, release):
    zenodo.files = {"a.zip": archive(release("a")), "b.zip": archive(release("b"))}
    with pytest.raises(ScmambaError, match="hold 2 folders with args.json"):
        models.load(NAME)


def test_an_archive_that_leads_out(zenodo, release):
    zenodo.files = {"a.zip": archive(release(), inside="../../x")}
    with pytest.raises(ScmambaError, match="leads out of the folder"):
        models.load(NAME)
    assert left_behind() == {"lock.json", "record/a.zip"}


def test_a_changed_record_does_not_pass_the_lock(zenodo, release, tmp_path):
    zenodo.put(release())
    models.load(NAME)
    zenodo.files["args.json"] += b" "
    (cached() / "record" / "args.json").unlink()
    with pytest.raises(ScmambaError, match="args.json of .* is not what was locked"):
        models.fetch(NAME, lock=tmp_path / "lock.json")
    assert not (tmp_path / "lock.json").exists()


def test_a_shipped_lock(zenodo, release, tmp_path, monkeypatch):
    zenodo.put(release())
    shipped = tmp_path / "locks"
    shipped.mkdir()
    models.fetch(NAME, lock=shipped / f"{NAME}.json")
    monkeypatch.setattr("scmamba.models.hub.locks.SHIPPED", shipped)
    assert models.info(NAME).verification.startswith("locked")
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "another")
    assert models.load(NAME).report.complete
    zenodo.files["best_model.pt"] += b"\0"
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "third")
    with pytest.raises(ScmambaError, match="best_model.pt of .* is not what was locked"):
        models.load(NAME)


def test_a_tampered_copy_in_the_cache(zenodo, release):
    zenodo.put(release())
    path = models.fetch(NAME) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(ScmambaError, match="model.safetensors was truncated or changed"):
        models.load(NAME)


def test_a_cache_that_cannot_be_written(zenodo, release, tmp_path, monkeypatch):
    zenodo.put(release())
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "file")
    with pytest.raises(ScmambaError, match="cache_dir"):
        models.load(NAME)


def test_a_base_url_as_an_argument(zenodo, release, monkeypatch):
    zenodo.put(release())
    monkeypatch.delenv("SCMAMBA_ZENODO_URL")
    folder = models.fetch(NAME, base_url=zenodo.url)
    assert models.load(folder).report.complete


def test_info(release, tmp_path):
    info = models.info(NAME)
    assert info.size is None
    assert 620e6 < info.n_parameters < 630e6
    assert "unverified" in info.license
    assert "CC BY-NC" in info.license
    assert info.source == "https://doi.org/10.5281/zenodo.14404063"
    assert "36 layers, d_model 1536" in str(info)
    assert models.info("large").n_parameters == info.n_parameters
    folder = release(n_classes=3)
    published = models.info(folder)
    own = models.info(models.save(models.load(folder), tmp_path / "own"))
    assert published.config == own.config
    assert published.verification.startswith("unverified")
    assert own.verification.startswith("locked")
    with pytest.raises(ScmambaError, match="nor a known name; known: blood, .*sc-mamba2.*, mini"):
        models.info(tmp_path)
    with pytest.raises(ScmambaError, match="known: sc-mamba2-whole-body"):
        models.fetch("sc-mamba3")
