"""Files of a model on ModelScope, each at the commit that its listing names."""

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
    """``SCMAMBA_MODELSCOPE_URL`` in the environment, else ModelScope itself."""
    return address(os.environ.get("SCMAMBA_MODELSCOPE_URL") or "https://www.modelscope.cn")


def fetch(
    repo: str,
    folder: Path,
    known: dict[str, Any] | None,
    wanted: Callable[[Iterable[str], str], list[str]],
    by_hand: str,
) -> dict[str, Any]:
    """Fetch the files of ``repo`` that ``wanted`` chooses into ``folder``.

    Parameters
    ----------
    repo
        ``"owner/name"``.
    folder
        Where they go.
    known
        A lock; files that it took from ModelScope are asked for at the same commits.
    wanted
        Gives the names to fetch from those that are there and from what to call the repository.
    by_hand
        How to do without a download, for errors.

    Returns
    -------
    Source, repository, and sha256, bytes and commit of each file.

    Raises
    ------
    ScmambaError
        ModelScope cannot be reached, does not list the files, or a file is not what it lists.
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
