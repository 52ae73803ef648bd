"""Cache of downloaded models, and locks against which later downloads are verified.

A folder ``<cache>/models/<name>`` holds ``record/`` (downloaded files), ``lock.json`` (their sha256
and source) and, for archives and cell models, ``model/`` (the weights in the format of scmamba). A
lock shipped with scmamba (``shipped/<name>.json``) takes precedence over that of the cache.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._files import write_json
from scmamba._read import Fields, read_json
from scmamba._settings import settings
from scmamba.models.hub.remote import check_name

SHIPPED = Path(__file__).parent / "shipped"
LOCK, RECORD, MODEL = "lock.json", "record", "model"


def cache_folder(name: str) -> Path:
    """Return the cache folder of a registered model."""
    return Path(settings.cache_dir) / "models" / name


def is_shipped(name: str) -> bool:
    """Whether a lock for ``name`` ships with scmamba."""
    return (SHIPPED / f"{name}.json").is_file()


def read_lock(name: str) -> dict[str, Any] | None:
    """Return the lock of a model: the shipped one, else that of the cache, else None."""
    for path in (SHIPPED / f"{name}.json", cache_folder(name) / LOCK):
        if path.is_file():
            lock = read_json(path)
            _check(Fields(lock, path))
            return lock
    return None


def _check(lock: Fields) -> None:
    """Raise ScmambaError if a lock lacks the hash of a file."""
    files = lock.nested("files")
    for name in files.content:
        check_name(name, lock.source)
        files.nested(name).string("sha256")
    for name in ("commit", "licence", "doi", "source"):
        lock.string(name, "")


def keep_lock(name: str, known: dict[str, Any] | None, found: dict[str, Any]) -> None:
    """Write the lock ``found`` to the cache, if it agrees with the lock ``known``.

    Raises
    ------
    ScmambaError
        If a file differs from the locked one.
    """
    for file in sorted({*(known or found)["files"], *found["files"]}):
        old, new = (known or found)["files"].get(file), found["files"].get(file)
        if old is None or new is None or old.get("sha256") != new["sha256"]:
            raise ScmambaError(
                f"{file} of {name} is not what was locked: "
                f"{json.dumps(old)} was expected, {json.dumps(new)} was fetched. If the record "
                f"has a new version on purpose, delete {os.fspath(cache_folder(name))}"
            )
    write_json(cache_folder(name) / LOCK, found)
