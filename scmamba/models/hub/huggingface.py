"""A registered model from Hugging Face at a resolved commit, or else from ModelScope."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._files import git_sha1, sha256
from scmamba._log import logger
from scmamba.models.hub import modelscope
from scmamba.models.hub.locks import RECORD, cache_folder, keep_lock, read_lock
from scmamba.models.hub.remote import TIMEOUT, address, make_room, unreachable
from scmamba.models.hub.sequences import HubEntry

NEEDED = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""The first that is there is fetched; a pickle is read with ``weights_only=True``."""
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


class Unreachable(ScmambaError):
    """A source that cannot be asked, so that another may be."""


def fetch(entry: HubEntry, *, base_url: str | None = None) -> list[Path]:
    """Fetch config, weights and tokenizer files of ``entry``, no code, and lock them.

    Parameters
    ----------
    entry
        What to fetch: at the commit of its lock where there is one, else at the latest one.
    base_url
        Where Hugging Face is; None: ``SCMAMBA_HUB_URL`` or ``HF_ENDPOINT`` in the environment, else
        itself.

    Returns
    -------
    The files, in the cache.

    Raises
    ------
    ScmambaError
        No source can be reached, a download fails, or a file is not what its source or the lock
        says.
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
    """``base_url``, ``SCMAMBA_HUB_URL``, ``HF_ENDPOINT``, else Hugging Face itself."""
    said = base_url or os.environ.get("SCMAMBA_HUB_URL") or os.environ.get("HF_ENDPOINT")
    return address(said or "https://huggingface.co")


def wanted(names: Iterable[str], where: str) -> list[str]:
    """Which of the files ``names`` of the repository ``where`` are needed.

    Raises
    ------
    ScmambaError
        There is no config.json, or no single file of weights.
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
    """How to do without a download."""
    return (
        f"Download {NEEDED}, {' or '.join(WEIGHTS)} and the tokenizer's files of "
        f"https://huggingface.co/{entry.repo} by hand into one folder and call "
        "scmamba.models.load(folder)"
    )


def _hugging_face(
    entry: HubEntry, known: dict[str, Any] | None, base_url: str | None
) -> dict[str, Any]:
    """Fetch from Hugging Face; gives the lock."""
    try:
        from huggingface_hub import HfApi, hf_hub_download
    except ImportError as error:
        raise ScmambaError(
            f"{entry.name} is fetched by the library huggingface_hub, which is not installed; "
            f"pip install 'scmamba[sequence]'. {by_hand(entry)}"
        ) from error
    url, folder = hub_url(base_url), cache_folder(entry.name) / RECORD
    same = known is not None and known.get("source") == "huggingface"
    revision = known.get("commit") if known is not None and same else None
    try:  # whatever the library raises, the page could not be asked; models here need no token
        api = HfApi(endpoint=url, token=False)
        page = api.model_info(entry.repo, revision=revision, files_metadata=True, timeout=TIMEOUT)
    except Exception as error:
        raise _unreachable(f"{url}/{entry.repo}", error, entry) from error
    files = {file.rfilename: file for file in page.siblings or ()}
    chosen = [files[name] for name in wanted(files, f"{url}/{entry.repo}")]
    missing = [file for file in chosen if not _checks_out(folder / file.rfilename, file)]
    total = sum(file.size or 0 for file in missing)
    logger.info(
        "%s: %d file(s), %.1f MiB, from %s/%s at commit %s",
        entry.name,
        len(missing),
        total / 2**20,
        url,
        entry.repo,
        page.sha,
    )
    make_room(folder, total)
    for file in missing:
        try:
            hf_hub_download(
                entry.repo,
                file.rfilename,
                revision=page.sha,
                local_dir=folder,
                endpoint=url,
                token=False,
            )
        except Exception as error:
            raise _unreachable(f"{url}/{entry.repo}/{file.rfilename}", error, entry) from error
        if not _checks_out(folder / file.rfilename, file):
            (folder / file.rfilename).unlink(missing_ok=True)
            raise ScmambaError(
                f"{file.rfilename} from {url}/{entry.repo} is not the file that the page lists at "
                f"commit {page.sha}. It was not kept; try again. {by_hand(entry)}"
            )
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's notes on downloads
    return {
        "name": entry.name,
        "source": "huggingface",
        "repo": entry.repo,
        "commit": page.sha,
        "licence": _licence(page),
        "files": {
            file.rfilename: {
                "size": (folder / file.rfilename).stat().st_size,
                "sha256": sha256(folder / file.rfilename),
            }
            for file in chosen
        },
    }


def _checks_out(path: Path, file: Any) -> bool:
    """Whether ``path`` is the listed file: its sha256 (large files) or git hash, and its size."""
    if not path.is_file() or file.size not in (None, path.stat().st_size):
        return False
    if file.lfs is not None:
        return sha256(path) == file.lfs["sha256"]
    return file.blob_id in (None, git_sha1(path))


def _licence(page: Any) -> str | None:
    tags = (tag.removeprefix("license:") for tag in page.tags or () if tag.startswith("license:"))
    return next(tags, None)


def _unreachable(url: str, error: Exception, entry: HubEntry) -> Unreachable:
    return Unreachable(str(unreachable(url, error, by_hand(entry))))
