"""Download of registered models from Hugging Face at a fixed commit, or from ModelScope."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scmamba._errors import ScmambaError
from scmamba._files import sha256
from scmamba._log import logger
from scmamba._read import Fields
from scmamba.models.hub import modelscope
from scmamba.models.hub.locks import RECORD, cache_folder, keep_lock, read_lock
from scmamba.models.hub.remote import RemoteFile, address, fetch_files
from scmamba.models.hub.sequences import HubEntry
from scmamba.models.hub.transfer import Unreachable, get_json

_COMMIT = re.compile(r"[0-9a-f]{40}")
NEEDED = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Names of weight files by preference; pickles are read with ``weights_only=True``."""
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


def fetch(entry: HubEntry, *, base_url: str | None = None) -> list[Path]:
    """Download configuration, weights and tokenizer files of a model, but no code, and lock them.

    Parameters
    ----------
    entry
        Registered model; the commit is that of its lock, else the latest one.
    base_url
        Address of Hugging Face or a mirror; None for ``SCMAMBA_HUB_URL`` or ``HF_ENDPOINT`` in the
        environment, else huggingface.co.

    Returns
    -------
    Paths of the files, in the cache.

    Raises
    ------
    ScmambaError
        If no source can be reached, a download fails, or a file differs from its source or the
        lock.
    """
    known = read_lock(entry.name)
    try:
        lock = _hugging_face(entry, known, base_url)
    except Unreachable as error:
        if entry.modelscope is None:
            raise
        logger.warning("%s Asking ModelScope.", error)
        folder = cache_folder(entry.name) / RECORD
        lock = modelscope.fetch(entry.modelscope, folder, known, wanted, by_hand(entry))
        lock = {"name": entry.name, **lock}
    keep_lock(entry.name, known, lock)
    return [cache_folder(entry.name) / RECORD / name for name in lock["files"]]


def hub_url(base_url: str | None = None) -> str:
    """Return ``base_url``, ``SCMAMBA_HUB_URL``, ``HF_ENDPOINT``, or the address of Hugging Face."""
    said = base_url or os.environ.get("SCMAMBA_HUB_URL") or os.environ.get("HF_ENDPOINT")
    return address(said or "https://huggingface.co")


def wanted(names: Iterable[str], where: str) -> list[str]:
    """Select the files that are needed from the files ``names`` of the repository ``where``.

    Raises
    ------
    ScmambaError
        If there is no config.json, or no single file of weights.
    """
    there = set(names)
    weights = next((name for name in WEIGHTS if name in there), None)
    if NEEDED not in there or weights is None:
        raise ScmambaError(
            f"{where} holds no {NEEDED if NEEDED not in there else ' or '.join(WEIGHTS)}; found: "
            f"{', '.join(sorted(there)[:10]) or 'nothing'}"
        )
    return [NEEDED, weights, *(name for name in TOKENIZER if name in there)]


def by_hand(entry: HubEntry) -> str:
    """Return instructions for a manual download."""
    return (
        f"Download {NEEDED}, {' or '.join(WEIGHTS)} and the tokenizer's files of "
        f"https://huggingface.co/{entry.repo} by hand into one folder and call "
        "scmamba.models.load(folder)"
    )


def _hugging_face(
    entry: HubEntry, known: dict[str, Any] | None, base_url: str | None
) -> dict[str, Any]:
    """Download from Hugging Face and return the lock."""
    url, folder, how = hub_url(base_url), cache_folder(entry.name) / RECORD, by_hand(entry)
    same = known is not None and known.get("source") == "huggingface"
    revision = known.get("commit") if known is not None and same else None
    asked = f"{url}/api/models/{entry.repo}{f'/revision/{revision}' if revision else ''}?blobs=true"
    page = Fields.of(get_json(asked, how), asked)
    commit = page.string("sha", "")
    if not _COMMIT.fullmatch(commit) or revision not in (None, commit):
        raise ScmambaError(
            f"{asked} names the commit {page.content.get('sha')!r}; 40 hexadecimal digits"
            f"{f', {revision},' if revision else ''} are needed, since what has no commit cannot "
            f"be locked. {how}"
        )
    listed = [Fields.of(file, f"{asked}: siblings") for file in page.values("siblings")]
    there = {file.string("rfilename"): file for file in listed}
    names = wanted(there, f"{url}/{entry.repo}")
    at = f"{url}/{entry.repo}/resolve/{commit}"
    files = [listed_file(there[name], name, f"{at}/{quote(name)}") for name in names]
    logger.info(
        "%s: %d file(s), %.1f MiB, from %s/%s at commit %s",
        entry.name,
        len(files),
        sum(file.size for file in files) / 2**20,
        url,
        entry.repo,
        commit,
    )
    paths = fetch_files(files, folder, how)
    return {
        "name": entry.name,
        "source": "huggingface",
        "repo": entry.repo,
        "commit": commit,
        "licence": license_of(page.strings("tags", ())),
        "files": {p.name: {"size": p.stat().st_size, "sha256": sha256(p)} for p in paths},
    }


def listed_file(listed: Fields, name: str, url: str) -> RemoteFile:
    """Describe a listed file; large files have a sha256, small ones a git hash."""
    if listed.has("lfs"):
        checksum = f"sha256:{listed.nested('lfs').string('sha256', '')}"
    else:
        checksum = f"git:{listed.string('blobId', '')}"
    return RemoteFile(name, listed.integer("size", low=0), checksum, url)


def license_of(tags: Iterable[str]) -> str | None:
    """Return what a repository's tags say of its license."""
    terms = (tag.removeprefix("license:") for tag in tags if tag.startswith("license:"))
    return next(terms, None)
