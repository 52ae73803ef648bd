"""Download of registered models from Zenodo, verified by checksums and locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._files import sha256, temporary_folder
from scmamba._log import logger
from scmamba.models.cell.published import is_published
from scmamba.models.hub.locks import RECORD, cache_folder, keep_lock, read_lock
from scmamba.models.hub.registry import Entry
from scmamba.models.hub.remote import fetch_files
from scmamba.models.hub.unpack import is_archive, unpack
from scmamba.models.hub.zenodo import Record, by_hand, read_record


def fetch(entry: Entry, *, base_url: str | None = None) -> list[Path]:
    """Download the files of a model, verified by the checksums of the record and by the lock.

    Parameters
    ----------
    entry
        Registered model.
    base_url
        Address of Zenodo or a mirror; None for ``SCMAMBA_ZENODO_URL``, else zenodo.org.

    Returns
    -------
    Paths of the files, in the cache.

    Raises
    ------
    ScmambaError
        If a download fails, or a file differs from the record or the lock.
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
    known = read_lock(entry.name)
    paths = fetch_files(record.files, cache_folder(entry.name) / RECORD, by_hand(record.doi))
    keep_lock(entry.name, known, _lock(entry, record, paths))
    return paths


@contextmanager
def published_folder(entry: Entry, paths: list[Path]) -> Iterator[Path]:
    """Find the folder in the published layout among ``paths``, unpacking archives temporarily.

    Raises
    ------
    ScmambaError
        If there is no such folder, or more than one.
    """
    root = cache_folder(entry.name)
    with temporary_folder(root, ".unpacked-") as temporary:
        for path in filter(is_archive, paths):
            target = temporary / path.name
            target.mkdir()
            unpack(path, target)
        places = (temporary, root / RECORD)
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
        "licence": record.license,
        "files": {
            file.name: {"size": file.size, "checksum": file.checksum, "sha256": sha256(path)}
            for file, path in zip(record.files, paths, strict=True)
        },
    }
