"""Download and cache of files listed in a manifest with addresses and hashes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pooch
import requests

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._settings import settings

_TIMEOUT = 30  # seconds without data


def fetch(
    name: str,
    manifest: str | os.PathLike[str] | Mapping[str, Mapping[str, Any]],
    *,
    folder: str | os.PathLike[str] | None = None,
    progressbar: bool = True,
) -> Path:
    """Return the path of a file listed in a manifest; it is downloaded once.

    Parameters
    ----------
    name
        Name of an entry of the manifest.
    manifest
        Mapping ``{name: {"url": ..., "sha256": ..., "license": ..., ...}}``, or path of a JSON file
        with it. With ``sha256`` None the file is not verified, and a warning reports its hash.
    folder
        Folder of downloaded files; None for ``datasets`` in ``scmamba.settings.cache_dir``.
    progressbar
        Whether to show the progress of the download.

    Returns
    -------
    Path of the file.

    Raises
    ------
    ScmambaError
        If the manifest or the entry is missing or invalid, the download fails, or the hash of the
        file differs; no partial file remains.

    Examples
    --------
    >>> from scmamba.datasets import fetch
    >>> manifest = {"cells": {"url": "https://example.org/cells.h5ad", "sha256": None}}
    >>> fetch("cells", manifest)  # doctest: +SKIP
    PosixPath('.../datasets/cells/cells.h5ad')
    """
    entry = _entry(name, manifest)
    url, sha256 = entry["url"], entry.get("sha256")
    target = Path(settings.cache_dir) / "datasets" if folder is None else Path(folder)
    known = f"sha256:{sha256}" if sha256 else None
    downloader = pooch.HTTPDownloader(progressbar=progressbar, timeout=_TIMEOUT)
    try:
        path = Path(
            pooch.retrieve(
                url, known, fname=_file_name(url), path=target / name, downloader=downloader
            )
        )
    except ValueError as error:  # pooch reports a different hash so
        raise ScmambaError(
            f"{name}: the file at {url} is not the one that the manifest describes ({error}); "
            "delete the file and try again, and do not use it if that fails"
        ) from error
    except (requests.RequestException, OSError) as error:
        raise ScmambaError(
            f"{name}: cannot fetch {url} ({error}); check the network, or put the file at "
            f"{target / name / _file_name(url)} yourself"
        ) from error
    if sha256 is None:
        logger.warning(
            "%s is unverified: %s has sha256 %s; add it to the manifest once you trust the file",
            name,
            path.name,
            pooch.file_hash(str(path)),
        )
    logger.info("%s: license %s", name, entry.get("license") or "not stated")
    return path


def _entry(
    name: str, manifest: str | os.PathLike[str] | Mapping[str, Mapping[str, Any]]
) -> Mapping[str, Any]:
    entries = manifest if isinstance(manifest, Mapping) else _read(Path(manifest))
    if name not in entries:
        raise ScmambaError(
            f"{name!r} is not in the manifest; allowed: {', '.join(sorted(entries)) or 'none'}"
        )
    entry = entries[name]
    url = entry.get("url") if isinstance(entry, Mapping) else None
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise ScmambaError(
            f"{name}: the manifest's url is {url!r}; allowed: an address that begins with https://"
        )
    return entry


def _read(path: Path) -> Mapping[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScmambaError(f"no manifest at {path}") from None
    except ValueError as error:
        raise ScmambaError(f"{path} is not JSON ({error})") from None
    if not isinstance(entries, dict):
        raise ScmambaError(f"{path} holds a {type(entries).__name__}; allowed: an object of files")
    return entries


def _file_name(url: str) -> str:
    """Last part of an address, such as ``cells.h5ad``."""
    return url.split("?")[0].rstrip("/").rsplit("/", 1)[-1] or "file"
