"""Fetch a registered model into the cache, check it, lock it by sha256.

A folder ``<cache>/models/<name>`` holds ``record/`` (the files as fetched), ``lock.json`` (their
sha256, with the record's own checksums) and ``model/`` (the same weights as safetensors).
A lock that ships with scmamba, ``models/locks/<name>.json``, goes before that of the cache.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._files import writable
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.models._files import read_json, sha256, write_json
from scmamba.models.published import is_published
from scmamba.models.registry import Entry
from scmamba.models.unpack import is_archive, unpack
from scmamba.models.zenodo import Record, by_hand, fetch_files, read_record

SHIPPED = Path(__file__).parent / "locks"
LOCK, RECORD, MODEL = "lock.json", "record", "model"


def cache_folder(entry: Entry) -> Path:
    """Where everything of ``entry`` is kept."""
    return Path(settings.cache_dir) / "models" / entry.name


def read_lock(entry: Entry) -> dict[str, Any] | None:
    """The lock of ``entry``: the shipped one, else that of the cache, else None."""
    for path in (SHIPPED / f"{entry.name}.json", cache_folder(entry) / LOCK):
        if path.is_file():
            lock = read_json(path)
            if not isinstance(lock.get("files"), dict):
                raise ScmambaError(f"{path} lists no files; delete it to fetch the model anew")
            return lock
    return None


def fetch(entry: Entry, *, base_url: str | None = None) -> list[Path]:
    """Fetch the files of ``entry``, checked by the record's checksums and by the lock.

    Parameters
    ----------
    entry
        What to fetch.
    base_url
        Where Zenodo is; None: ``SCMAMBA_ZENODO_URL``, else Zenodo itself.

    Returns
    -------
    The files, in the cache.

    Raises
    ------
    ScmambaError
        A download fails or a file is not what the record or the lock says.
    """
    record = read_record(entry.doi, base_url)
    total = sum(file.size for file in record.files)
    logger.info(
        "%s: %d file(s), %.1f MiB, from https://doi.org/%s",
        entry.name,
        len(record.files),
        total / 2**20,
        record.doi,
    )
    known = read_lock(entry)
    paths = fetch_files(record, cache_folder(entry) / RECORD)
    lock = _lock(entry, record, paths)
    if known is not None:
        _same(entry, known, lock)
    write_json(cache_folder(entry) / LOCK, lock)
    return paths


def write_lock(entry: Entry, path: Path, *, base_url: str | None = None) -> Path:
    """Fetch ``entry`` and write its lock to ``path``, to be kept with a project or with scmamba."""
    writable(path)
    fetch(entry, base_url=base_url)
    write_json(path, read_json(cache_folder(entry) / LOCK))
    return path


@contextmanager
def published_folder(entry: Entry, paths: list[Path]) -> Iterator[Path]:
    """The folder of the published layout among ``paths``, archives unpacked for as long as needed.

    Raises
    ------
    ScmambaError
        There is no such folder, or more than one.
    """
    root = cache_folder(entry)
    with tempfile.TemporaryDirectory(dir=root, prefix=".unpacked-") as temporary:
        for path in filter(is_archive, paths):
            target = Path(temporary) / path.name
            target.mkdir()
            unpack(path, target)
        places = (Path(temporary), root / RECORD)
        found = sorted(p.parent for place in places for p in place.rglob("args.json"))
        found = [folder for folder in found if is_published(folder)]
        if len(found) != 1:
            raise ScmambaError(
                f"the files of {entry.name} hold {len(found)} folders with args.json and "
                f"vocab.json, one is needed. Fetched: {', '.join(p.name for p in paths)}. "
                f"They are in {root / RECORD}. {by_hand(entry.doi)}"
            )
        yield found[0]


def _lock(entry: Entry, record: Record, paths: list[Path]) -> dict[str, Any]:
    return {
        "name": entry.name,
        "doi": record.doi,
        "title": record.title,
        "licence": record.licence,
        "files": {
            file.name: {"size": file.size, "checksum": file.checksum, "sha256": sha256(path)}
            for file, path in zip(record.files, paths, strict=True)
        },
    }


def _same(entry: Entry, known: dict[str, Any], found: dict[str, Any]) -> None:
    for name in sorted({*known["files"], *found["files"]}):
        old, new = known["files"].get(name), found["files"].get(name)
        if old is None or new is None or old.get("sha256") != new["sha256"]:
            raise ScmambaError(
                f"{name} of {entry.name} is not what was locked: "
                f"{json.dumps(old)} was expected, {json.dumps(new)} was fetched. If the record "
                f"has a new version on purpose, delete {os.fspath(cache_folder(entry))}"
            )
