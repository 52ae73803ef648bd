"""What was fetched before: folders of the cache, and locks that hold later downloads to it.

A folder ``<cache>/models/<name>`` holds ``record/`` (the files as fetched), ``lock.json`` (their
sha256 and where they came from) and, for archives and cell models, ``model/`` (the same weights in
our format). A lock that ships with scmamba, ``shipped/<name>.json`` here, goes before that of the
cache.
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
    """Where everything of the registered model ``name`` is kept."""
    return Path(settings.cache_dir) / "models" / name


def is_shipped(name: str) -> bool:
    """Whether a lock for ``name`` ships with scmamba."""
    return (SHIPPED / f"{name}.json").is_file()


def read_lock(name: str) -> dict[str, Any] | None:
    """The lock of ``name``: the shipped one, else that of the cache, else None."""
    for path in (SHIPPED / f"{name}.json", cache_folder(name) / LOCK):
        if path.is_file():
            lock = read_json(path)
            _check(Fields(lock, path))
            return lock
    return None


def _check(lock: Fields) -> None:
    """Raise an error where a lock does not say what every file must be."""
    files = lock.nested("files")
    for name in files.content:
        check_name(name, lock.source)
        files.nested(name).string("sha256")
    for name in ("commit", "licence", "doi", "source"):
        lock.string(name, "")


def keep_lock(name: str, known: dict[str, Any] | None, found: dict[str, Any]) -> None:
    """Write the lock ``found`` into the cache, if it is what the lock ``known`` says.

    Raises
    ------
    ScmambaError
        A file is not the one that was locked.
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
