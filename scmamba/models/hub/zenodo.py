"""Zenodo records: their files, checksums and licenses."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import quote

from scmamba._errors import ScmambaError
from scmamba._read import Fields
from scmamba.models.hub.remote import RemoteFile, address
from scmamba.models.hub.transfer import get_json


@dataclass(frozen=True)
class Record:
    """Zenodo record; ``license`` is None if it states none."""

    doi: str
    title: str
    license: str | None
    files: tuple[RemoteFile, ...]


def zenodo_url(base_url: str | None = None) -> str:
    """Return ``base_url``, ``SCMAMBA_ZENODO_URL``, or the address of Zenodo."""
    return address(base_url or os.environ.get("SCMAMBA_ZENODO_URL") or "https://zenodo.org")


def read_record(doi: str, base_url: str | None = None) -> Record:
    """Read the record of ``doi``, such as "10.5281/zenodo.1", from the API of Zenodo.

    Raises
    ------
    ScmambaError
        If Zenodo cannot be reached, or does not return that record.
    """
    base, number = zenodo_url(base_url), doi.rpartition(".")[2]
    url = f"{base}/api/records/{number}"
    return _record(Fields.of(get_json(url, by_hand(doi)), url), doi, base)


def by_hand(doi: str) -> str:
    """Return instructions for a manual download."""
    return (
        f"Download the files of https://doi.org/{doi} by hand, unpack them into one folder "
        "(args.json, vocab.json and the .pt file) and call scmamba.models.load(folder)"
    )


def _record(content: Fields, doi: str, base: str) -> Record:
    found = content.string("doi")
    if doi not in (found, content.string("conceptdoi", "")):
        raise ScmambaError(f"asked for {doi}, but {base} answered with {found}. {by_hand(doi)}")
    about, number = content.nested("metadata"), content.integer("id", low=0)
    license = about.nested("license", {}).string("id", "") or None
    entries = [Fields.of(file, content.source) for file in content.values("files")]
    if not entries:
        raise ScmambaError(f"the record {found} lists no files")
    at = f"{base}/api/records/{number}/files"
    return Record(found, about.string("title"), license, tuple(_file(file, at) for file in entries))


def _file(listed: Fields, at: str) -> RemoteFile:
    name = listed.string("key")
    url = f"{at}/{quote(name)}/content"
    return RemoteFile(name, listed.integer("size"), listed.string("checksum", ""), url)
