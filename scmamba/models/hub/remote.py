"""Download and verification of remote files."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scmamba._errors import ScmambaError
from scmamba._files import atomic, git_sha1
from scmamba._read import reading
from scmamba._settings import settings
from scmamba.models.hub.transfer import receive

_CHECKSUM = re.compile(
    r"md5:[0-9a-f]{32}|(sha1|git):[0-9a-f]{40}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
)
_NAME = re.compile(r"[^./\\\0][^/\\\0]*")


@dataclass(frozen=True)
class RemoteFile:
    """File on a server; invalid listings are refused.

    Attributes
    ----------
    name
        Name without folders.
    size
        Size in bytes.
    checksum
        Checksum: ``"md5:..."``, ``"sha1:..."``, ``"sha256:..."``, ``"sha512:..."``, or
        ``"git:..."`` for a git blob hash.
    url
        Address.
    """

    name: str
    size: int
    checksum: str
    url: str

    def __post_init__(self) -> None:
        """Check name, checksum and size."""
        check_name(self.name, self.url)
        if not isinstance(self.checksum, str) or not _CHECKSUM.fullmatch(self.checksum):
            raise ScmambaError(
                f"{self.url}: the listing gives no checksum for {self.name}: {self.checksum!r}; "
                "such a file cannot be verified and is not fetched"
            )
        if type(self.size) is not int or self.size < 0:
            raise ScmambaError(f"{self.url}: the listing gives {self.name} the size {self.size!r}")


def check_name(name: object, source: str) -> None:
    """Raise ScmambaError unless ``name`` is a plain file name."""
    if not isinstance(name, str) or len(name) > 200 or not _NAME.fullmatch(name):
        raise ScmambaError(f"{source} lists a file with the name {name!r}, which is refused")


def fetch_files(files: Sequence[RemoteFile], folder: Path, by_hand: str) -> list[Path]:
    """Download ``files`` to ``folder``; existing files with the right checksum are kept.

    Parameters
    ----------
    files
        Files to download.
    folder
        Folder of the downloaded files; created if missing.
    by_hand
        Instructions for a manual download, for errors.

    Raises
    ------
    ScmambaError
        If disk space is insufficient, a download fails, or a checksum differs; failed files are
        not kept.
    """
    missing = [file for file in files if not checks_out(folder / file.name, file)]
    make_room(folder, sum(file.size for file in missing))
    for file in missing:
        _fetch(file, folder / file.name, by_hand)
    return [folder / file.name for file in files]


def make_room(folder: Path, needed: int) -> None:
    """Create ``folder`` and check that ``needed`` bytes of disk space are free.

    Raises
    ------
    ScmambaError
        If it cannot be created or disk space is insufficient.
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
            "free; free disk space or set scmamba.settings.cache_dir"
        )


def checks_out(path: Path, file: RemoteFile) -> bool:
    """Whether ``path`` has the size and checksum of the listed file."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    kind, _, expected = file.checksum.partition(":")
    if kind == "git":
        return git_sha1(path) == expected
    with reading(path), path.open("rb") as content:
        return hashlib.file_digest(content, kind).hexdigest() == expected


def address(url: str) -> str:
    """Return ``url`` without a trailing slash.

    Raises
    ------
    ScmambaError
        If it is not a web address.
    """
    if not url.startswith(("https://", "http://")):
        raise ScmambaError(f"the address {url!r} must begin with https:// or http://")
    return url.rstrip("/")


def _fetch(file: RemoteFile, path: Path, by_hand: str) -> None:
    shown = file.name if settings.verbosity in ("info", "debug") else None
    with atomic(path) as temporary:
        with temporary.open("wb") as out:
            receive(file.url, out, by_hand, max_bytes=file.size, progress=shown)
        if not checks_out(temporary, file):
            raise ScmambaError(
                f"{file.name} from {file.url} is not the file that is listed: its checksum "
                f"is not {file.checksum}. It was not kept; try again. {by_hand}"
            )
