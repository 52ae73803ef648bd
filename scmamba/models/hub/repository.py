"""Models in repositories of the Hugging Face hub, by an address ``hf://owner/name``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from scmamba._errors import ScmambaError
from scmamba._files import locked, sha256, write_json
from scmamba._log import logger
from scmamba._read import Fields, read_json
from scmamba.models.hub.huggingface import NEEDED, WEIGHTS, hub_url, license_of, listed_file
from scmamba.models.hub.locks import LOCK, RECORD, cache_folder
from scmamba.models.hub.registry import say_license
from scmamba.models.hub.remote import check_name, fetch_files
from scmamba.models.hub.transfer import get_json

SCHEME = "hf://"
_ADDRESS = re.compile(r"hf://([\w.-]+)/([\w.-]+?)(?:@([\w./-]+))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_READ = (".json", ".safetensors", ".txt", ".md")
"""Endings of what is fetched; code and pickles are not, but for weights that have no other form."""
_WAIT = 12 * 3600.0


@dataclass(frozen=True)
class Repository:
    """A repository on the hub.

    Attributes
    ----------
    repo
        ``owner/name``.
    revision
        Branch, tag or commit; None for the newest commit when it is first fetched.

    Examples
    --------
    >>> from scmamba.models.hub.repository import Repository
    >>> Repository.of("hf://lab/blood@v1")
    Repository(repo='lab/blood', revision='v1')
    """

    repo: str
    revision: str | None = None

    @classmethod
    def of(cls, address: str) -> Repository:
        """Read an address.

        Raises
        ------
        ScmambaError
            It is not of the form ``hf://owner/name`` or ``hf://owner/name@revision``.
        """
        found = _ADDRESS.fullmatch(address)
        if found is None or ".." in address:
            raise ScmambaError(
                f"{address!r} is no address of a model on the hub; allowed: hf://owner/name, or "
                "hf://owner/name@REVISION for a branch, a tag or a commit"
            )
        return cls(f"{found[1]}/{found[2]}", found[3])

    @property
    def cache(self) -> Path:
        """Folder of the cache that holds it."""
        at = "" if self.revision is None else f"@{self.revision.replace('/', '-')}"
        return cache_folder(f"{self.repo.replace('/', '--')}{at}")


def is_address(model: object) -> bool:
    """Whether ``model`` names a repository on the hub."""
    return isinstance(model, str) and model.startswith(SCHEME)


def local_folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder as a path; of an address on the hub, the folder it is fetched to."""
    return fetch_repository(str(path)) if is_address(path) else Path(path)


def fetch_repository(address: str, base_url: str | None = None) -> Path:
    """Fetch the files of a repository at one commit, and lock their sha256; later calls read these.

    Parameters
    ----------
    address
        ``hf://owner/name``, or ``hf://owner/name@revision``.
    base_url
        Address of the hub or a mirror; None uses the environment (``SCMAMBA_HUB_URL``,
        ``HF_ENDPOINT``), else the original one.

    Returns
    -------
    Folder with the files. Delete it to take the newest commit.

    Raises
    ------
    ScmambaError
        There is no such repository, a download fails, or a file is not what was listed or locked.
    """
    wanted = Repository.of(address)
    folder, lock = wanted.cache / RECORD, wanted.cache / LOCK
    wanted.cache.mkdir(parents=True, exist_ok=True)
    with locked(wanted.cache, wait=_WAIT):
        if not lock.is_file():
            _fetch(wanted, folder, lock, base_url)
        _check(folder, lock, address)
    return folder


def _fetch(wanted: Repository, folder: Path, lock: Path, base_url: str | None) -> None:
    url, how = hub_url(base_url), f"Is the name hf://{wanted.repo} right, and is it public?"
    revision = "" if wanted.revision is None else f"/revision/{quote(wanted.revision, safe='')}"
    asked = f"{url}/api/models/{wanted.repo}{revision}?blobs=true"
    page = Fields.of(get_json(asked, how), asked)
    commit = page.string("sha", "")
    if not _COMMIT.fullmatch(commit):
        raise ScmambaError(f"{asked} names no commit, without which files cannot be locked")
    listed = [Fields.of(file, f"{asked}: siblings") for file in page.values("siblings")]
    there = {file.string("rfilename"): file for file in listed}
    names = _wanted(there, wanted)
    at = f"{url}/{wanted.repo}/resolve/{commit}"
    for parent in sorted({PurePosixPath(name).parent for name in names}):
        here = [name for name in names if PurePosixPath(name).parent == parent]
        files = [
            listed_file(there[name], PurePosixPath(name).name, f"{at}/{quote(name)}")
            for name in here
        ]
        fetch_files(files, folder / parent, how)
    terms = license_of(page.strings("tags", ()))
    hashes = {name: {"sha256": sha256(folder / name)} for name in names}
    found = {"source": "huggingface", "repo": wanted.repo, "commit": commit, "licence": terms}
    write_json(lock, {**found, "files": hashes})
    logger.info("hf://%s at commit %s: %d files in %s", wanted.repo, commit, len(names), folder)


def _wanted(names: Iterable[str], where: Repository) -> list[str]:
    """Files of settings, weights and words; a pickle of weights where there is nothing else."""
    there = sorted(names)
    for name in there:
        for part in name.split("/"):
            if name.endswith(_READ):
                check_name(part, f"hf://{where.repo}")
    found = [name for name in there if name.endswith(_READ)]
    if not any(name.endswith(".safetensors") for name in found):
        found += [name for name in WEIGHTS if name in there]
    if not any(name.endswith((".safetensors", *WEIGHTS)) for name in found):
        raise ScmambaError(
            f"hf://{where.repo} holds no model: there is no {NEEDED} with weights. Found: "
            f"{', '.join(there[:10]) or 'nothing'}"
        )
    return found


def _check(folder: Path, lock: Path, address: str) -> None:
    """Raise ScmambaError where a file is not what was fetched; say the license once."""
    known = Fields(read_json(lock), lock)
    files = known.nested("files")
    for name in files.content:
        expected = files.nested(name).string("sha256")
        if not (folder / name).is_file() or sha256(folder / name) != expected:
            raise ScmambaError(
                f"{folder / name} is not what was fetched from {address}; delete {folder.parent} "
                "to fetch it again"
            )
    say_license(address, known.string("licence", "") or "not said on its page")
