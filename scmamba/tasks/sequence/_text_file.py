"""Plain and gzipped text files of a user: opened within limits, with errors that name the file."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from scmamba._errors import ScmambaError
from scmamba._read import open_regular, reading

BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_OTHERS = {
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"BZ": "compressed by bzip2: unpack it, or compress it with gzip",
    b"\xfd7": "compressed by xz: unpack it, or compress it with gzip",
    b"PK": "a zip archive or an Excel workbook: unpack it, or save the table as csv",
}
_FREE, _RATIO = 1 << 28, 30
"""A gzipped file may unpack to 256 MiB and 30 times its size; nucleotides shrink about fourfold."""


def file_path(path: str | os.PathLike[str]) -> Path:
    """``path`` as a Path, once it was seen to be one.

    Raises
    ------
    ScmambaError
        It is no path.
    """
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ScmambaError(f"{str(path)[:60]!r} is not the path of a file; give text or a Path")
    return Path(text)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a plain or gzipped file; a byte order mark is skipped.

    Raises
    ------
    ScmambaError
        There is no such file, or, within the block too, it cannot be read, is damaged, or unpacks
        to far more than text of its size would.
    """
    found = file_path(path)
    with reading(found), open_regular(found) as file:
        content: IO[bytes] = file
        start = file.read(2)
        file.seek(0)
        if start in _OTHERS:
            raise ScmambaError(f"{found} is {_OTHERS[start]}")
        if start == _GZIP:
            limit = _FREE + _RATIO * os.fstat(file.fileno()).st_size
            unpacked = _Limited(gzip.GzipFile(fileobj=file), limit)
            content = io.BufferedReader(unpacked, 1 << 16)
        if content.peek(3)[:3] == BOM:  # type: ignore[attr-defined]
            content.read(3)
        yield content


def text_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Return number (from 1) and text of each line of a plain or gzipped file, line ends removed.

    Raises
    ------
    ScmambaError
        As :func:`opened`, or the file is not UTF-8.
    """
    with opened(path) as content:
        for number, line in enumerate(io.TextIOWrapper(content, encoding="utf-8"), start=1):
            yield number, line.rstrip("\n")


class _Limited(io.RawIOBase):
    """A gzipped file that may not unpack to more than ``limit`` bytes."""

    def __init__(self, file: gzip.GzipFile, limit: int) -> None:
        self._file, self._left, self._limit = file, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._file.read(len(buffer))
        self._left -= len(block)
        if self._left < 0:
            raise ScmambaError(
                f"it unpacks to more than {self._limit:,} bytes; unpack it with gunzip, if that is "
                "right"
            )
        buffer[: len(block)] = block
        return len(block)
