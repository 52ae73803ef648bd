"""Downloads of registered models: once, checked, and kept in the cache."""

from __future__ import annotations

import os
from pathlib import Path

from scmamba._files import locked, writable, write_json
from scmamba._read import read_json
from scmamba.models.cell.published import load_published
from scmamba.models.checkpoint.writing import save
from scmamba.models.hub import download, huggingface
from scmamba.models.hub.locks import LOCK, MODEL, RECORD, cache_folder, read_lock
from scmamba.models.hub.registry import Entry, entry
from scmamba.models.hub.remote import make_room
from scmamba.models.hub.repository import fetch_repository, is_address
from scmamba.models.hub.sequences import HubEntry

_WAIT = 12 * 3600.0
"""Seconds to wait for another process that downloads the same model."""


def fetch(
    name: str, *, base_url: str | None = None, lock: str | os.PathLike[str] | None = None
) -> Path:
    """Download a registered model into the cache, unless it is there already.

    Parameters
    ----------
    name
        Registered name, or ``"hf://owner/name"``.
    base_url
        Address of Zenodo or Hugging Face, or of a mirror; None uses the environment
        (``SCMAMBA_ZENODO_URL``; ``SCMAMBA_HUB_URL``, ``HF_ENDPOINT``), else the original address.
    lock
        Path of a JSON file to which the sha256 of every file is written and, for models on a hub,
        the commit. The source is then queried again, and cached files are verified.

    Returns
    -------
    Folder with the model, in the published layout (from a hub) or in the format of scmamba.

    Raises
    ------
    ScmambaError
        If there is no such name, a download fails, or the hash of a file differs.

    Examples
    --------
    >>> from scmamba.models import fetch
    >>> fetch("caduceus-ps-1k")  # doctest: +SKIP
    PosixPath('.../scmamba/models/caduceus-ps-1k/record')
    """
    if is_address(name):
        folder = fetch_repository(name, base_url)
        if lock is not None:
            write_json(writable(lock), read_json(folder.parent / LOCK))
        return folder
    wanted = entry(name)
    root, target = cache_folder(wanted.name), writable(lock) if lock is not None else None
    folder = root / (RECORD if isinstance(wanted, HubEntry) else MODEL)
    if target is None and _is_there(root, folder):
        return folder
    make_room(root.parent, 0)
    with locked(root, wait=_WAIT):  # another process may be fetching the same model
        there = _is_there(root, folder)
        if isinstance(wanted, HubEntry):
            if target is not None or not there:
                huggingface.fetch(wanted, base_url=base_url)
        elif target is not None or not there:
            files = download.fetch(wanted, base_url=base_url)
            if not there:
                _copy(wanted, files, folder)
    if target is not None:
        write_json(target, read_json(root / LOCK))
    return folder


def _is_there(root: Path, folder: Path) -> bool:
    return folder.is_dir() and (root / LOCK).is_file()


def _copy(wanted: Entry, files: list[Path], folder: Path) -> None:
    """Convert the model of a Zenodo record to the format of scmamba."""
    with download.published_folder(wanted, files) as published:
        model = load_published(published)
    known, report = read_lock(wanted.name) or {}, model.report
    assert report is not None
    about = {
        "name": wanted.name,
        "doi": known.get("doi"),
        "licence": known.get("licence"),
        "sha256": model.sha256,
        "left_out": list(report.unused),
        "notes": list(report.notes),
    }
    save(model, folder, about=about)
