"""Files somewhere else, fetched and checked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from scmamba._errors import ScmambaError
from scmamba._settings import settings

TIMEOUT = 30  # seconds without a byte
_CHECKSUM = re.compile(r"(md5|sha1|sha256|sha512):[0-9a-f]{32,128}")


@dataclass(frozen=True)
class RemoteFile:
    """A file at ``url``: its name, bytes and checksum ("md5:..."), refused where they are odd."""

    name: str
    size: int
    checksum: str
    url: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[^./\\\0][^/\\\0]*", self.name):
            raise ScmambaError(
                f"the record lists a file with the name {self.name!r}, which is refused"
            )
        if not isinstance(self.checksum, str) or not _CHECKSUM.fullmatch(self.checksum):
            raise ScmambaError(f"the record gives no checksum for {self.name}: {self.checksum!r}")
        if not isinstance(self.size, int) or self.size < 0:
            raise ScmambaError(f"the record gives {self.name} the size {self.size!r}")


def fetch_files(files: Sequence[RemoteFile], folder: Path, by_hand: str) -> list[Path]:
    """Fetch ``files`` into ``folder``; files there that check out are kept.

    Parameters
    ----------
    files
        What to fetch.
    folder
        Made where it is missing.
    by_hand
        How to do without a download, for errors.

    Raises
    ------
    ScmambaError
        There is no room, a download fails, or a file does not have its checksum; a file that fails
        is not kept.
    """
    make_room(folder, sum(f.size for f in files if not (folder / f.name).exists()))
    return [_fetch(file, folder, by_hand) for file in files]


def make_room(folder: Path, needed: int) -> None:
    """Make ``folder`` and check that ``needed`` bytes fit.

    Raises
    ------
    ScmambaError
        It cannot be made or there is no room.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ScmambaError(
            f"cannot write in {folder} ({error.strerror}); set scmamba.settings.cache_dir or "
            "SCMAMBA_CACHE to a folder you may write to"
        ) from error
    if needed > free:
        raise ScmambaError(
            f"the files need {needed / 2**30:.1f} GiB and {folder} has {free / 2**30:.1f} GiB "
            "free; make room or set scmamba.settings.cache_dir"
        )


def shown() -> bool:
    """Whether downloads show how far they are."""
    return settings.verbosity in ("info", "debug")


def unreachable(url: str, error: Exception, by_hand: str) -> ScmambaError:
    """The error for an address that does not answer as it should."""
    return ScmambaError(f"cannot fetch {url} ({type(error).__name__}). {by_hand}")


def address(url: str) -> str:
    """``url`` without a slash at its end.

    Raises
    ------
    ScmambaError
        It is no web address.
    """
    if not url.startswith(("https://", "http://")):
        raise ScmambaError(f"the address {url!r} must begin with https:// or http://")
    return url.rstrip("/")


def _fetch(file: RemoteFile, folder: Path, by_hand: str) -> Path:
    try:
        path = pooch.retrieve(
            file.url,
            known_hash=file.checksum,
            fname=file.name,
            path=folder,
            downloader=pooch.HTTPDownloader(progressbar=shown(), timeout=TIMEOUT),
        )
    except ValueError as error:
        if isinstance(error, requests.RequestException):
            raise unreachable(file.url, error, by_hand) from error
        raise ScmambaError(
            f"{file.name} from {file.url} is not the file that the record lists: its checksum "
            f"is not {file.checksum}. It was not kept; try again. {by_hand}"
        ) from error
    except (requests.RequestException, OSError) as error:
        raise unreachable(file.url, error, by_hand) from error
    return Path(path)
