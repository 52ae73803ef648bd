"""A Zenodo record: what it holds, by its own word, and its files fetched and checked."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pooch
import requests

from scmamba._errors import ScmambaError
from scmamba._settings import settings

_CHECKSUM = re.compile(r"(md5|sha1|sha256|sha512):[0-9a-f]{32,128}")
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class RecordFile:
    """One file of a record: its name, bytes, checksum ("md5:...") and address."""

    name: str
    size: int
    checksum: str
    url: str


@dataclass(frozen=True)
class Record:
    """What a record says of itself; ``licence`` is None where it says nothing."""

    doi: str
    title: str
    licence: str | None
    files: tuple[RecordFile, ...]


def zenodo_url(base_url: str | None = None) -> str:
    """``base_url``, else ``SCMAMBA_ZENODO_URL`` in the environment, else Zenodo itself."""
    url = base_url or os.environ.get("SCMAMBA_ZENODO_URL") or "https://zenodo.org"
    if not url.startswith(("https://", "http://")):
        raise ScmambaError(f"the address {url!r} must begin with https:// or http://")
    return url.rstrip("/")


def read_record(doi: str, base_url: str | None = None) -> Record:
    """Ask Zenodo's record API for the record of ``doi``, such as "10.5281/zenodo.1".

    Raises
    ------
    ScmambaError
        Zenodo cannot be reached, or answers with something else than that record.
    """
    base, number = zenodo_url(base_url), doi.rpartition(".")[2]
    url = f"{base}/api/records/{number}"
    try:
        reply = requests.get(url, timeout=_TIMEOUT)
        reply.raise_for_status()
        content = reply.json()
    except requests.RequestException as error:
        raise _unreachable(url, doi, error) from error
    try:
        return _record(content, doi, base)
    except (KeyError, TypeError, AttributeError) as error:
        raise ScmambaError(
            f"{url} did not answer with a record ({type(error).__name__}: {error}). {by_hand(doi)}"
        ) from error


def fetch_files(record: Record, folder: Path) -> list[Path]:
    """Fetch every file of ``record`` into ``folder``; files there that check out are kept.

    Raises
    ------
    ScmambaError
        There is no room, a download fails, or a file does not have the record's checksum; a file
        that fails is not kept.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ScmambaError(
            f"cannot write in {folder} ({error.strerror}); set scmamba.settings.cache_dir or "
            "SCMAMBA_CACHE to a folder you may write to"
        ) from error
    needed = sum(file.size for file in record.files if not (folder / file.name).exists())
    if needed > free:
        raise ScmambaError(
            f"the files need {needed / 2**30:.1f} GiB and {folder} has {free / 2**30:.1f} GiB "
            "free; make room or set scmamba.settings.cache_dir"
        )
    return [_fetch(file, record.doi, folder) for file in record.files]


def by_hand(doi: str) -> str:
    """How to do without a download."""
    return (
        f"Download the files of https://doi.org/{doi} by hand, unpack them into one folder "
        "(args.json, vocab.json and the .pt file) and call scmamba.models.load(folder)"
    )


def _fetch(file: RecordFile, doi: str, folder: Path) -> Path:
    shown = settings.verbosity in ("info", "debug")
    try:
        path = pooch.retrieve(
            file.url,
            known_hash=file.checksum,
            fname=file.name,
            path=folder,
            downloader=pooch.HTTPDownloader(progressbar=shown, timeout=_TIMEOUT),
        )
    except ValueError as error:
        if isinstance(error, requests.RequestException):
            raise _unreachable(file.url, doi, error) from error
        raise ScmambaError(
            f"{file.name} from {file.url} is not the file that the record lists: its checksum "
            f"is not {file.checksum}. It was not kept; try again. {by_hand(doi)}"
        ) from error
    except (requests.RequestException, OSError) as error:
        raise _unreachable(file.url, doi, error) from error
    return Path(path)


def _record(content: dict[str, Any], doi: str, base: str) -> Record:
    known = {content["doi"], content.get("conceptdoi")}
    if doi not in known:
        raise ScmambaError(
            f"asked for {doi}, but {base} answered with {content['doi']}. {by_hand(doi)}"
        )
    licence = content["metadata"].get("license") or {}
    files = tuple(_file(entry, content["id"], base) for entry in content["files"])
    if not files:
        raise ScmambaError(f"the record {content['doi']} lists no files")
    return Record(content["doi"], content["metadata"]["title"], licence.get("id"), files)


def _file(entry: dict[str, Any], number: int, base: str) -> RecordFile:
    name, checksum, size = entry["key"], entry["checksum"], entry["size"]
    if not isinstance(name, str) or not re.fullmatch(r"[^./\\\0][^/\\\0]*", name):
        raise ScmambaError(f"the record lists a file with the name {name!r}, which is refused")
    if not isinstance(checksum, str) or not _CHECKSUM.fullmatch(checksum):
        raise ScmambaError(f"the record gives no checksum for {name}: {checksum!r}")
    if not isinstance(size, int) or size < 0:
        raise ScmambaError(f"the record gives {name} the size {size!r}")
    url = f"{base}/api/records/{int(number)}/files/{quote(name)}/content"
    return RecordFile(name, size, checksum, url)


def _unreachable(url: str, doi: str, error: Exception) -> ScmambaError:
    return ScmambaError(f"cannot fetch {url} ({type(error).__name__}). {by_hand(doi)}")
