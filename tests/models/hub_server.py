"""Hugging Face and ModelScope for one repository each, on 127.0.0.1."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import parse_qs, unquote, urlsplit

from tests.models.local_server import LocalServer

COMMIT = "c0ffee" * 6 + "abcd"


class HubServer(LocalServer):
    """Serves ``files`` at ``commit``.

    ``large`` are the names that Hugging Face keeps as LFS files (with a sha256); ``gone`` are
    sources (``"hub"``, ``"scope"``) that answer 404.
    """

    def __init__(self) -> None:
        super().__init__()
        self.large = {"model.safetensors", "pytorch_model.bin"}
        self.tags = ["license:cc-by-nc-sa-4.0", "mamba"]
        self.commit = COMMIT
        self.gone: set[str] = set()

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

    def answer(self, path: str) -> tuple[bytes, dict[str, str] | None] | None:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path.startswith("/api/v1/models/"):
            if "scope" in self.gone:
                return None
            if parts.path.endswith("/repo/files"):
                return self._listing(), None
            return self._file(query.get("FilePath", ""), query.get("Revision"))
        if "hub" in self.gone:
            return None
        if parts.path.startswith("/api/models/"):
            revision = parts.path.partition("/revision/")[2]
            return (self._page(), None) if revision in ("", self.commit) else None
        revision, _, name = parts.path.partition("/resolve/")[2].partition("/")
        return self._file(unquote(name), revision)

    def _file(self, name: str, revision: str | None) -> tuple[bytes, dict[str, str]] | None:
        if revision != self.commit or name not in self.files:
            return None
        content = self.files[name]
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return content, {"X-Repo-Commit": self.commit, "ETag": etag}
