"""Tiny checkpoints in the published layout, made here, and a record server on this machine."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import pytest
import torch

from scmamba._log import logger
from scmamba._settings import settings
from scmamba.models import CellModel, preset
from scmamba.models.cell.published import KEYS
from scmamba.models.hub import registry
from tests.models.local_server import LocalServer

N_GENES = 20


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "cache")
    monkeypatch.setattr(settings, "device", "cpu")
    monkeypatch.delenv("SCMAMBA_ZENODO_URL", raising=False)


@pytest.fixture
def release(tmp_path):
    """Write a folder of the published layout; gives the folder, changed as asked.

    ``change`` may edit the state dict (under published names) in place.
    """

    def write(name="release", *, args=None, change=None, prefix="", **config) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        state = published_state(**config)
        if change is not None:
            change(state)
        torch.save(
            {prefix + key: tensor for key, tensor in state.items()}, folder / "best_model.pt"
        )
        content = {"embsize": 16, "nlayers": 2, "d_hid": 16, "pad_value": -2, **(args or {})}
        (folder / "args.json").write_text(json.dumps(content))
        tokens = {f"G{i}": i for i in range(N_GENES - 3)}
        (folder / "vocab.json").write_text(json.dumps(tokens))
        return folder

    return write


def published_state(**config):
    """A random state dict under published names."""
    torch.manual_seed(3)
    sizes = {"d_model": 16, "n_layer": 2, "d_state": 8, "headdim": 8, "mvc": True, "dropout": 0.2}
    model = CellModel(preset("large", n_genes=N_GENES, **{**sizes, **config}))
    state = {}
    for name, tensor in model.state_dict().items():
        ours, theirs = next(pair for pair in KEYS if name.startswith(pair[0]))
        state[theirs + name.removeprefix(ours)] = torch.randn_like(tensor.float()).abs()
    return state


class RecordServer(LocalServer):
    """Zenodo's record API for one record; ``record`` adds to what it says of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.record: dict[str, object] = {}

    def answer(self, path: str) -> tuple[bytes, dict[str, str] | None] | None:
        parts = path.split("/")
        if path == "/api/records/14404063":
            return self._page(), None
        known = parts[-1] == "content" and parts[-2] in self.files
        return (self.files[parts[-2]], {}) if known else None

    def _page(self) -> bytes:
        files = [
            {
                "key": name,
                "size": len(content),
                "checksum": f"md5:{hashlib.md5(content).hexdigest()}",
                **self.listed.get(name, {}),
            }
            for name, content in self.files.items()
        ]
        metadata = {"title": "A record", "license": {"id": "cc-by-4.0"}}
        about = {"id": 14404063, "doi": "10.5281/zenodo.14404063", "metadata": metadata}
        return json.dumps({**about, "files": files, **self.record}).encode()


@pytest.fixture
def zenodo(monkeypatch):
    """A record server that the package takes for Zenodo."""
    server = RecordServer()
    monkeypatch.setenv("SCMAMBA_ZENODO_URL", server.url)
    yield server
    server.close()


@pytest.fixture
def said(monkeypatch):
    """What the logger says."""
    monkeypatch.setattr(registry, "_said", set())
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
