"""Hugging Face and ModelScope for one repository each, on 127.0.0.1."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0ffee" * 6 + "abcd"


class HubServer:
    """Serves ``files`` (name to content) at ``commit``, and says who asked for what.

    ``large`` are the names that Hugging Face keeps as LFS files (with a sha256); ``listed`` changes
    what it says of a file; ``cut`` is how many bytes of each file are sent; ``gone`` are sources
    (``"hub"``, ``"scope"``) that answer 404; ``asked`` are the paths that were asked for.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.large = {"model.safetensors", "pytorch_model.bin"}
        self.listed: dict[str, dict[str, object]] = {}
        self.tags = ["license:cc-by-nc-sa-4.0", "mamba"]
        self.commit = COMMIT
        self.cut: int | None = None
        self.gone: set[str] = set()
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

    def _page(self) -> bytes:
        siblings = []
        for name, content in self.files.items():
            sha = hashlib.sha256(content).hexdigest()
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            lfs = {"size": len(content), "sha256": sha, "pointerSize": 134}
            entry = {"rfilename": name, "size": len(content), "blobId": git}
            entry |= {"lfs": lfs} if name in self.large else {}
            siblings.append({**entry, **self.listed.get(name, {})})
        about = {"id": "owner/name", "sha": self.commit, "tags": self.tags, "private": False}
        return json.dumps({**about, "siblings": siblings}).encode()

    def _listing(self) -> bytes:
        files = [
            {
                "Path": name,
                "Size": len(content),
                "Sha256": hashlib.sha256(content).hexdigest(),
                "Revision": self.commit,
                "Type": "blob",
                **self.listed.get(name, {}),
            }
            for name, content in self.files.items()
        ]
        files.append({"Path": "assets", "Size": 0, "Sha256": "", "Revision": "", "Type": "tree"})
        return json.dumps({"Code": 200, "Data": {"Files": files}}).encode()

    def answer(self, path: str) -> tuple[bytes, str | None] | None:
        """Content and, of a file, its name; None for 404."""
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/api/v1/models/"):
            if "scope" in self.gone:
                return None
            if parts.path.endswith("/repo/files"):
                return self._listing(), None
            name = query.get("FilePath", "")
            known = query.get("Revision") == self.commit and name in self.files
            return (self.files[name], name) if known else None
        if "hub" in self.gone:
            return None
        if parts.path.startswith("/api/models/"):
            revision = parts.path.partition("/revision/")[2]
            return (self._page(), None) if revision in ("", self.commit) else None
        before, _, name = parts.path.partition(f"/resolve/{self.commit}/")
        return (self.files[unquote(name)], name) if before and name in self.files else None

    def _handler(self):
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self._reply(False)

            def do_GET(self):
                self._reply(True)

            def _reply(self, body: bool) -> None:
                hub.asked.append(self.path)
                found = hub.answer(self.path)
                if found is None:
                    self.send_error(404)
                    return
                content, name = found
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                if name is not None:
                    self.send_header("X-Repo-Commit", hub.commit)
                    self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.end_headers()
                if body:
                    self.wfile.write(content[: None if name is None else hub.cut])

            def log_message(self, *args):
                pass

        return Handler
