"""Files by manifest, from a server on this machine."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scmamba import ScmambaError, datasets, settings
from scmamba._log import logger

CONTENT = b"counts" * 1000
HASH = hashlib.sha256(CONTENT).hexdigest()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_: object) -> None:
        """Drop the line."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with ``cells.h5ad``, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "cells.h5ad").write_bytes(CONTENT)
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def manifest(url: str, sha256: str | None = HASH) -> dict[str, dict[str, str | None]]:
    return {"cells": {"url": f"{url}/cells.h5ad", "sha256": sha256, "license": "CC0"}}


def test_fetched_once(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = served
    (tmp_path / "m.json").write_text(json.dumps(manifest(url)))
    path = datasets.fetch("cells", tmp_path / "m.json", folder=tmp_path / "c", progressbar=False)
    assert path == tmp_path / "c" / "cells" / "cells.h5ad" and path.read_bytes() == CONTENT
    (folder / "cells.h5ad").unlink()
    again = datasets.fetch("cells", manifest(url), folder=tmp_path / "c", progressbar=False)
    assert again == path


def test_cache_folder_of_the_settings(
    served: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "cache_dir", tmp_path / "cache")
    path = datasets.fetch("cells", manifest(served[1]), progressbar=False)
    assert path == tmp_path / "cache" / "datasets" / "cells" / "cells.h5ad"


def test_another_file_is_refused_and_not_kept(served: tuple[Path, str], tmp_path: Path) -> None:
    wrong = manifest(served[1], "0" * 64)
    with pytest.raises(ScmambaError, match="not the one that the manifest describes"):
        datasets.fetch("cells", wrong, folder=tmp_path / "c", progressbar=False)
    assert not [path for path in (tmp_path / "c").rglob("*") if path.is_file()]


def test_unverified_file_tells_its_hash(
    served: tuple[Path, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO, logger.name)
    datasets.fetch("cells", manifest(served[1], None), folder=tmp_path / "c", progressbar=False)
    logger.removeHandler(caplog.handler)
    assert "unverified" in caplog.text and HASH in caplog.text and "license CC0" in caplog.text


def test_failed_download(served: tuple[Path, str], tmp_path: Path) -> None:
    gone = {"gone": {"url": f"{served[1]}/gone.h5ad", "sha256": HASH}}
    with pytest.raises(ScmambaError, match=r"cannot fetch .*404.* put the file at .*gone\.h5ad"):
        datasets.fetch("gone", gone, folder=tmp_path / "c", progressbar=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": {"url": "x"}, "b": {}}, "'cells' is not in the manifest; allowed: a, b"),
        ({"cells": {"url": "file:///etc/passwd"}}, "url is 'file:///etc/passwd'"),
        ({"cells": {}}, "url is None"),
    ],
)
def test_wrong_manifest(content: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScmambaError, match=message):
        datasets.fetch("cells", content, folder=tmp_path)


def test_wrong_manifest_file(tmp_path: Path) -> None:
    with pytest.raises(ScmambaError, match="no manifest at"):
        datasets.fetch("cells", tmp_path / "none.json")
    (tmp_path / "m.json").write_text("[]")
    with pytest.raises(ScmambaError, match="holds a list"):
        datasets.fetch("cells", tmp_path / "m.json")
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(ScmambaError, match="is not JSON"):
        datasets.fetch("cells", tmp_path / "m.json")
