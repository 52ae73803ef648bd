"""Unpacking of untrusted archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from scmamba._errors import ScmambaError
from scmamba._read import check_regular

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_MOST_FILES = 10_000
_MOST_BYTES = 64 * 2**30
_SPARE = 64 * 2**20
_MOST_RATIO = 20  # weights hardly compress; text compresses by a factor of 5 to 10
_LONGEST_HEADER = 2**20
_PIECE = 2**20


def is_archive(path: Path) -> bool:
    """Whether the file extension is that of a supported archive."""
    return path.name.lower().endswith(ENDINGS)


def unpack(archive: Path, folder: Path, *, most_bytes: int | None = None) -> list[Path]:
    """Unpack regular files and folders of ``archive`` to ``folder``.

    Parameters
    ----------
    archive
        Zip or tar file, which may be compressed.
    folder
        Existing folder; files in it are not overwritten.
    most_bytes
        Largest unpacked size in bytes, counted while writing; None for 64 MiB plus 20 times the
        size of the archive.

    Returns
    -------
    Paths of the files written.

    Raises
    ------
    ScmambaError
        If the archive is damaged, too large, or holds links, devices, absolute paths or ``..``.
    """
    written: list[Path] = []
    packed = check_regular(archive).stat().st_size
    if most_bytes is None:
        most_bytes = min(_MOST_BYTES, _SPARE + _MOST_RATIO * packed)
    left = most_bytes
    try:
        for name, file in _members(archive, most_bytes):
            target = _inside(folder, name, archive)
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


def _members(archive: Path, most_bytes: int) -> Iterator[tuple[str, IO[bytes]]]:
    """Iterate over names and contents of files; anything but files and folders is an error."""
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as packed:
            for i, entry in enumerate(packed.infolist()):
                _check_number(archive, i)
                kind = stat.S_IFMT(entry.external_attr >> 16)
                if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                    raise _refused(archive, entry.filename, "a link or device")
                if not entry.is_dir():
                    with packed.open(entry) as file:
                        yield entry.filename, file
        return
    with (
        _unpacked(archive) as inner,
        tarfile.open(fileobj=_Bounded(archive, inner, most_bytes), mode="r:") as tape,
    ):
        for i, member in enumerate(tape):
            _check_number(archive, i)
            if not (member.isfile() or member.isdir()):
                raise _refused(archive, member.name, "a link or device")
            if member.isfile() and (content := tape.extractfile(member)) is not None:
                yield member.name, content


def _check_number(archive: Path, i: int) -> None:
    if i >= _MOST_FILES:
        raise ScmambaError(f"{archive} holds more than {_MOST_FILES} files")


def _unpacked(archive: Path) -> IO[bytes]:
    """Open the tar inside a compressed file, detected by its first bytes."""
    with archive.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(archive))
    if start.startswith(b"BZh"):
        return bz2.open(archive)
    return lzma.open(archive) if start == b"\xfd7zXZ\0" else archive.open("rb")


class _Bounded(io.RawIOBase):
    """Stream of a tar with limits on the number of bytes and on the length of headers."""

    def __init__(self, archive: Path, tape: IO[bytes], most_bytes: int) -> None:
        self.archive, self.tape = archive, tape
        self.left = most_bytes + _MOST_FILES * 4 * tarfile.BLOCKSIZE

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= max(_LONGEST_HEADER, _PIECE):
            raise ScmambaError(
                f"{self.archive} holds a header of {size} bytes; it was not unpacked"
            )
        content = self.tape.read(size)
        self._spend(len(content))
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:  # compressed bytes are read to be skipped
            self._spend(max(offset - self.tape.tell(), 0))
        return self.tape.seek(offset, whence)

    def tell(self) -> int:
        return self.tape.tell()

    def _spend(self, n: int) -> None:
        if (left := self.left - n) < 0:
            raise ScmambaError(f"{self.archive} unpacks to more than is allowed for its size")
        self.left = left


def _inside(folder: Path, name: str, archive: Path) -> Path:
    """Return the target path of ``name``, which must be within ``folder``."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0] or "\0" in name:
        raise _refused(archive, name, "a path that leads out of the folder")
    return folder.joinpath(*parts)


def _refused(archive: Path, name: str, why: str) -> ScmambaError:
    return ScmambaError(
        f"{archive} holds {name!r}, {why}; it was not unpacked. Get it from a source you trust"
    )
