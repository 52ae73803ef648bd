"""Models put on a hub on this machine and read back by their address."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import yaml

from scmamba import ScmambaError, models, settings
from scmamba.learn.artifact import Artifact
from scmamba.models.hub.repository import Repository
from scmamba.tokens import Vocab
from tests.models.hub_server import COMMIT, HubServer

huggingface_hub = pytest.importorskip("huggingface_hub")
EMPTY = COMMIT[::-1]


class Hub(HubServer):
    """Takes one commit, by the requests of huggingface_hub, and serves it."""

    large: set[str] = set()

    def __init__(self) -> None:
        super().__init__()
        self.large, self.commit, self.made = set(), EMPTY, []
        self.refuses = False

    def take(self, path: str, body: bytes) -> object | None:
        if self.refuses:
            return None
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        if path == "/api/repos/create":
            self.made.append(json.loads(body))
            return {"url": f"{self.url}/owner/name", "id": "owner/name"}
        if path.startswith("/api/models/owner/name/preupload/"):
            files = json.loads(body)["files"]
            return {"files": [self._inline(one["path"]) for one in files]}
        if path.startswith("/api/models/owner/name/commit/"):
            for line in body.decode().splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    content = base64.b64decode(entry["value"]["content"])
                    self.files[entry["value"]["path"]] = content
                elif entry["key"] == "header":
                    self.message = entry["value"]["summary"]
            self.commit = COMMIT
            self.tags = [f"license:{self.header()['license']}"]
            return {"commitUrl": f"{self.url}/owner/name/commit/{COMMIT}", "commitOid": COMMIT}
        return None

    def _inline(self, path: str) -> dict[str, object]:
        return {"path": path, "uploadMode": "regular", "shouldIgnore": False, "oid": None}

    def header(self) -> dict[str, object]:
        return yaml.safe_load(self.files["README.md"].decode().split("---")[1])

    def answer(self, path):
        if path.split("?")[0].endswith("/revision/main"):
            path = path.replace("/revision/main", "")
        if "/tree/" in path:
            return b"[]", {"Content-Type": "application/json"}
        return super().answer(path)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    server = Hub()
    monkeypatch.setenv("SCMAMBA_HUB_URL", server.url)
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "cache")
    monkeypatch.setattr(settings, "device", "cpu")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    yield server
    server.close()


@pytest.fixture
def model():
    made = models.CellModel(models.preset("mini", n_genes=8, n_layer=1, d_model=16, headdim=8))
    made.vocab = Vocab([f"gene_{i}" for i in range(5)])
    return made.eval()


def test_put_and_loaded_by_its_address(hub, model) -> None:
    address = models.save_to_hub(
        model, "owner/name", license="cc-by-4.0", summary="Of **blood**.", token="hf_x"
    )
    assert address == f"hf://owner/name@{COMMIT}"
    made = hub.made[0]  # in the words of one version of huggingface_hub or another
    assert made.get("private") or made["visibility"] == "private"
    assert hub.message == "Saved by scmamba: model"
    loaded = models.load("hf://owner/name")
    for name, stored in model.state_dict().items():
        np.testing.assert_array_equal(stored, loaded.state_dict()[name])
    assert loaded.vocab.tokens == model.vocab.tokens
    asked = len(hub.asked)
    models.load("hf://owner/name")
    assert len(hub.asked) == asked  # from the cache
    models.load(address)
    assert any(f"/revision/{COMMIT}" in path for path in hub.asked[asked:])


def test_the_card_holds_hashes_and_terms(hub, model, tmp_path) -> None:
    datasets = ["lab/cells", "doi://10.1/x"]
    models.save_to_hub(model, "owner/name", license="mit", datasets=datasets, token="hf_x")
    card = hub.files["README.md"].decode()
    assert hub.header()["license"] == "mit" and hub.header()["datasets"] == ["lab/cells"]
    folder = models.fetch("hf://owner/name")
    from scmamba._files import sha256

    for name in ("config.json", "model.safetensors", "vocab.json"):
        assert f"| {name} | `{sha256(folder / name)}` |" in card
    assert 'scmamba.models.load("hf://owner/name")' in card and "* doi://10.1/x" in card


def test_folders_within_a_folder_arrive(hub, model, tmp_path) -> None:
    import pandas as pd

    kind = Artifact("annotator")
    kind.save(tmp_path / "fitted", {"a": 1}, {"x": np.arange(3)}, [model], pd.DataFrame())
    models.save_to_hub(tmp_path / "fitted", "owner/name", license="mit", token="hf_x")
    assert kind.is_at("hf://owner/name")
    with kind.reading("hf://owner/name") as saved:
        assert saved.content["a"] == 1 and len(saved.networks) == 1
        np.testing.assert_array_equal(saved.arrays["x"], np.arange(3))


def test_what_was_changed_on_disk_is_refused(hub, model) -> None:
    models.save_to_hub(model, "owner/name", license="mit", token="hf_x")
    folder = models.fetch("hf://owner/name")
    (folder / "vocab.json").write_text("{}")
    with pytest.raises(ScmambaError, match="vocab.json is not what was fetched from hf://owner"):
        models.load("hf://owner/name")


def test_code_and_pickles_are_left(hub, model) -> None:
    models.save_to_hub(model, "owner/name", license="mit", token="hf_x")
    hub.files |= {"run.py": b"raise SystemExit", "old.bin": b"x", "networks/0/evil.pt": b"x"}
    folder = models.fetch("hf://owner/name")
    names = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert names == ["README.md", "config.json", "model.safetensors", "vocab.json"]


@pytest.mark.parametrize("name", ["../up.json", "a/../../up.json", "/etc/up.json"])
def test_names_that_leave_the_folder_are_refused(hub, model, name) -> None:
    models.save_to_hub(model, "owner/name", license="mit", token="hf_x")
    hub.files[name] = b"{}"
    with pytest.raises(ScmambaError, match="which is refused"):
        models.fetch("hf://owner/name")


@pytest.mark.parametrize("address", ["hf://name", "hf://a/b/c", "hf://a/..", "hf://a b/c", "hf://"])
def test_what_is_no_address(address) -> None:
    with pytest.raises(ScmambaError, match="allowed: hf://owner/name, or hf://owner/name@REVISION"):
        Repository.of(address)


def test_wrong_calls(hub, model, tmp_path) -> None:
    with pytest.raises(ScmambaError, match="license= is empty"):
        models.save_to_hub(model, "owner/name", license="")
    with pytest.raises(ScmambaError, match="holds nothing that scmamba saved"):
        models.save_to_hub(tmp_path, "owner/name", license="mit")
    with pytest.raises(ScmambaError, match="names a revision"):
        models.save_to_hub(model, "owner/name@v1", license="mit")
    hub.refuses = True
    with pytest.raises(ScmambaError, match="the hub did not take 'owner/name'.*HF_TOKEN"):
        models.save_to_hub(model, "owner/name", license="mit", token="hf_x")
    with pytest.raises(ScmambaError, match="holds no model"):
        models.load("hf://owner/name")


def test_a_hub_that_is_not_there(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SCMAMBA_HUB_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(settings, "cache_dir", tmp_path)
    with pytest.raises(ScmambaError, match="cannot fetch .*Is the name hf://owner/name right"):
        models.load("hf://owner/name")
