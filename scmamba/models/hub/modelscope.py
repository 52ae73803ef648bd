"""Download of models from ModelScope, each file at the commit in its listing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from scmamba._errors import ScmambaError
from scmamba._read import Fields
from scmamba.models.hub.remote import RemoteFile, address, fetch_files
from scmamba.models.hub.transfer import get_json


def modelscope_url() -> str:
    """Return ``SCMAMBA_MODELSCOPE_URL`` of the environment, or the address of ModelScope."""
    return address(os.environ.get("SCMAMBA_MODELSCOPE_URL") or "https://www.modelscope.cn")


def fetch(
    repo: str,
    folder: Path,
    known: dict[str, Any] | None,
    wanted: Callable[[Iterable[str], str], list[str]],
    by_hand: str,
) -> dict[str, Any]:
    """Download the files of ``repo`` that ``wanted`` selects to ``folder``.

    Parameters
    ----------
    repo
        Repository, ``"owner/name"``.
    folder
        Folder of the downloaded files.
    known
        Lock, or None; files locked from ModelScope are downloaded at the same commits.
    wanted
        Function that selects file names from those listed and the name of the repository.
    by_hand
        Instructions for a manual download, for errors.

    Returns
    -------
    Source, repository, and sha256, bytes and commit of each file.

    Raises
    ------
    ScmambaError
        If ModelScope cannot be reached or does not list the files, or a file differs from its
        listing.
    """
    url = f"{modelscope_url()}/api/v1/models/{repo}"
    listed = _listed(url, by_hand)
    if known is not None and known.get("source") == "modelscope":
        listed = {name: {**listed.get(name, {}), **file} for name, file in known["files"].items()}
    chosen = {name: listed[name] for name in wanted(listed, url)}
    if bare := [name for name, file in chosen.items() if not file["revision"]]:
        raise ScmambaError(
            f"{url} names no commit of {', '.join(bare)}, and what has no commit cannot be locked. "
            f"{by_hand}"
        )
    files = [
        RemoteFile(
            name,
            file["size"],
            f"sha256:{file['sha256']}",
            f"{url}/repo?{urlencode({'Revision': file['revision'], 'FilePath': name})}",
        )
        for name, file in chosen.items()
    ]
    fetch_files(files, folder, by_hand)
    return {"source": "modelscope", "repo": repo, "licence": None, "files": chosen}


def _listed(url: str, by_hand: str) -> dict[str, dict[str, Any]]:
    """Size, sha256 and commit of each file of the repository."""
    asked = f"{url}/repo/files?{urlencode({'Revision': 'master', 'Recursive': 'true'})}"
    answer = Fields.of(get_json(asked, by_hand), asked)
    if not answer.has("Data"):
        raise ScmambaError(f"{asked} did not list its files. {by_hand}")
    entries = [Fields.of(file, asked) for file in answer.nested("Data").values("Files")]
    return {
        file.string("Path"): {
            "size": file.integer("Size", low=0),
            "sha256": file.string("Sha256", ""),
            "revision": file.string("Revision", ""),
        }
        for file in entries
        if file.string("Type") == "blob"
    }
