"""Archives unpacked without trusting them."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from scmamba._errors import ScmambaError

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_MOST_FILES = 10_000
_MOST_BYTES = 64 * 2**30
_PIECE = 2**20


def is_archive(path: Path) -> bool:
    """Whether the name ends as that of an archive we can unpack."""
    return path.name.lower().endswith(ENDINGS)


def unpack(archive: Path, folder: Path, *, most_bytes: int = _MOST_BYTES) -> list[Path]:
    """Unpack plain files and folders of ``archive`` into ``folder``.

    Parameters
    ----------
    archive
        A .zip or .tar file, perhaps compressed.
    folder
        Must exist; existing files are not overwritten.
    most_bytes
        How much it may unpack to. What is written is counted, not what a header promises.

    Returns
    -------
    The files written.

    Raises
    ------
    ScmambaError
        The archive is damaged, too large, or holds links, devices, absolute paths or ``..``.
    """
    written: list[Path] = []
    left = most_bytes
    try:
        for name, file in _members(archive):
            target = _inside(folder, name, archive)
            if len(written) == _MOST_FILES:
                raise ScmambaError(f"{archive} holds more than {_MOST_FILES} files")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                written.append(target)
                while piece := file.read(_PIECE):
                    if (left := left - len(piece)) < 0:
                        raise ScmambaError(f"{archive} unpacks to more than {most_bytes} bytes")
                    out.write(piece)
    except ScmambaError:
        raise
    except FileExistsError as error:
        raise ScmambaError(f"{archive} holds {error.filename} twice or in the way") from error
    except Exception as error:  # a damaged archive fails in many ways
        raise ScmambaError(f"cannot unpack {archive} ({error}); fetch it again") from error
    return written


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and contents of the plain files; anything but files and folders is an error."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refused(archive, entry.filename, "a link or device")
                if not entry.is_dir():
                    with packed.open(entry) as file:
                        yield entry.filename, file
        return
    with tarfile.open(archive, "r:*") as tape:
        for member in tape:
            if not (member.isfile() or member.isdir()):
                raise _refused(archive, member.name, "a link or device")
            if member.isfile() and (content := tape.extractfile(member)) is not None:
                yield member.name, content


def _inside(folder: Path, name: str, archive: Path) -> Path:
    """Where ``name`` goes; it has to stay within ``folder``."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\0" in name:
        raise _refused(archive, name, "a path that leads out of the folder")
    return folder.joinpath(*parts)


def _refused(archive: Path, name: str, why: str) -> ScmambaError:
    return ScmambaError(
        f"{archive} holds {name!r}, {why}; it was not unpacked. Get it from a source you trust"
    )
