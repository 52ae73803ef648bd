"""Bytes and text of regular files, within limits."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, NoReturn

from scmamba._errors import ScmambaError
from scmamba._read.guard import reading

MAX_BYTES = 32 * 2**20
"""Largest size of JSON and text files, in bytes, by default."""


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading bytes; pipes, devices and sockets are refused unread.

    Raises
    ------
    ScmambaError
        If it is missing, not readable, or not a regular file.
    """
    with reading(path):
        flags = os.O_RDONLY
        for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
            flags |= getattr(os, name, 0)  # without O_NONBLOCK a pipe would wait for its writer
        descriptor = os.open(path, flags)
        try:
            if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
                kind = "folder" if stat.S_ISDIR(mode) else "pipe, device or socket"
                raise ScmambaError(f"{os.fspath(path)} is a {kind}; give a regular file")
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise


def check_regular(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` after checking that it is a readable regular file.

    For files that a library opens by name.
    """
    open_regular(path).close()
    return Path(path)


def read_bytes(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a regular file of at most ``max_bytes`` bytes.

    Raises
    ------
    ScmambaError
        If it cannot be read, is not a regular file, or is larger.
    """
    with reading(path), open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > max_bytes:
            _too_large(path, max_bytes)
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        _too_large(path, max_bytes)
    return content


def read_text(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> str:
    """Read UTF-8 text from a regular file, without the byte order mark.

    Parameters
    ----------
    path
        Path of the file.
    max_bytes
        Largest size in bytes.

    Raises
    ------
    ScmambaError
        If it cannot be read, is larger, or is not UTF-8.
    """
    content = read_bytes(path, max_bytes=max_bytes)
    with reading(path):
        return content.decode("utf-8-sig")


def _too_large(path: str | os.PathLike[str], max_bytes: int) -> NoReturn:
    raise ScmambaError(
        f"{os.fspath(path)} is larger than {max_bytes / 2**20:.3g} MiB, the most that is read of a "
        "file of this kind; check that it is the right file"
    )
