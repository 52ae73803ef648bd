"""Tiny checkpoints in the published layout, made here, and a record server on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from scmamba._settings import settings
from scmamba.models import CellModel, preset
from scmamba.models.published import KEYS

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


class RecordServer:
    """Zenodo's record API for one record, on 127.0.0.1.

    ``files`` (name to content) is what it serves; ``listed`` (name to entry) overrides what the
    record says of a file; ``record`` adds to what it says of itself; ``cut`` is how many bytes of
    each file are sent; ``asked`` are the paths that were asked for.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.listed: dict[str, dict[str, object]] = {}
        self.record: dict[str, object] = {}
        self.cut: int | None = None
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def put(self, folder: Path) -> None:
        """Serve the files of ``folder`` as they are."""
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}

    def _answer(self) -> bytes:
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

    def _handler(self):
        record = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                record.asked.append(self.path)
                parts = self.path.split("/")
                if self.path == "/api/records/14404063":
                    content, sent = record._answer(), None
                elif parts[-1] == "content" and parts[-2] in record.files:
                    content, sent = record.files[parts[-2]], record.cut
                else:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[:sent])

            def log_message(self, *args):
                pass

        return Handler


@pytest.fixture
def zenodo(monkeypatch):
    """A record server that the package takes for Zenodo."""
    server = RecordServer()
    monkeypatch.setenv("SCMAMBA_ZENODO_URL", server.url)
    yield server
    server.close()
