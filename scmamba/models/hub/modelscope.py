"""Files of a model on ModelScope, each at the commit that its listing names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from scmamba._errors import ScmambaError
from scmamba.models.hub.remote import TIMEOUT, RemoteFile, address, fetch_files, unreachable


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
    query = urlencode({"Revision": "master", "Recursive": "true"})
    try:
        reply = requests.get(f"{url}/repo/files?{query}", timeout=TIMEOUT)
        reply.raise_for_status()
        files = reply.json()["Data"]["Files"]
        return {
            file["Path"]: {
                "size": file["Size"],
                "sha256": file["Sha256"],
                "revision": file["Revision"],
            }
            for file in files
            if file["Type"] == "blob"
        }
    except requests.RequestException as error:
        raise unreachable(url, error, by_hand) from error
    except (KeyError, TypeError) as error:
        raise ScmambaError(
            f"{url} did not list its files ({type(error).__name__}: {error}). {by_hand}"
        ) from error
