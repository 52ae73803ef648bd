"""A Zenodo record: what it holds, by its own word."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from scmamba._errors import ScmambaError
from scmamba.models.hub.remote import TIMEOUT, RemoteFile, address, unreachable


@dataclass(frozen=True)
class Record:
    """What a record says of itself; ``licence`` is None where it says nothing."""

    doi: str
    title: str
    licence: str | None
    files: tuple[RemoteFile, ...]


def zenodo_url(base_url: str | None = None) -> str:
    """``base_url``, else ``SCMAMBA_ZENODO_URL`` in the environment, else Zenodo itself."""
    return address(base_url or os.environ.get("SCMAMBA_ZENODO_URL") or "https://zenodo.org")


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
        reply = requests.get(url, timeout=TIMEOUT)
        reply.raise_for_status()
        content = reply.json()
    except requests.RequestException as error:
        raise unreachable(url, error, by_hand(doi)) from error
    try:
        return _record(content, doi, base)
    except (KeyError, TypeError, AttributeError) as error:
        raise ScmambaError(
            f"{url} did not answer with a record ({type(error).__name__}: {error}). {by_hand(doi)}"
        ) from error


def by_hand(doi: str) -> str:
    """How to do without a download."""
    return (
        f"Download the files of https://doi.org/{doi} by hand, unpack them into one folder "
        "(args.json, vocab.json and the .pt file) and call scmamba.models.load(folder)"
    )


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


def _file(entry: dict[str, Any], number: int, base: str) -> RemoteFile:
    name = entry["key"]
    url = f"{base}/api/records/{int(number)}/files/{quote(str(name))}/content"
    return RemoteFile(name, entry["size"], entry["checksum"], url)
