"""FASTA files: all records in order, or pieces of a genome through an index."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._settings import settings

if TYPE_CHECKING:
    from pyfaidx import Fasta


def is_gzipped(path: Path) -> bool:
    """Whether a file starts with gzip's two bytes.

    Raises
    ------
    ScmambaError
        There is no such file.
    """
    if not path.is_file():
        raise ScmambaError(f"{path} {'is a folder' if path.is_dir() else 'does not exist'}")
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number, from 1, and text of each line of a plain or gzipped file.

    Raises
    ------
    ScmambaError
        The file is missing or is no text.
    """
    opened: Callable[..., IO[str]] = gzip.open if is_gzipped(path) else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            yield from enumerate(file, start=1)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise ScmambaError(f"{path} is no readable text file: {error}") from error


def records(path: Path) -> Iterator[tuple[str, str]]:
    """Name (the header up to its first blank) and sequence of each record; needs no index.

    Raises
    ------
    ScmambaError
        The file is missing, is no FASTA, or holds a record without a name.
    """
    name: str | None = None
    parts: list[str] = []
    for number, line in text_lines(path):
        text = line.strip()
        if text.startswith(">"):
            if name is not None:
                yield name, "".join(parts)
            words = text[1:].split(maxsplit=1)
            if not words:
                raise ScmambaError(f"{path}, line {number}: a record needs a name: '>name'")
            name, parts = words[0], []
        elif text and name is None:
            raise ScmambaError(
                f"{path}, line {number}: a FASTA file starts with '>name', found {text[:30]!r}"
            )
        else:
            parts.append(text)
    if name is not None:
        yield name, "".join(parts)


def open_genome(path: str | os.PathLike[str]) -> Fasta:
    """A FASTA file for access by place. Its index (``.fai``) is made where it is missing.

    An index that cannot be written beside the file is kept in ``settings.cache_dir``.

    Parameters
    ----------
    path
        FASTA file, plain or block-gzipped (bgzip).

    Returns
    -------
    ``genome[name][start:stop]`` is the piece from ``start`` to before ``stop``, from 0.

    Raises
    ------
    ScmambaError
        pyfaidx is not installed, the file is missing, damaged or gzipped otherwise than by bgzip,
        or its index can be written nowhere.
    """
    try:
        import pyfaidx
    except ImportError as error:
        raise ScmambaError(
            "reading a genome needs pyfaidx: pip install 'scmamba[sequence]'"
        ) from error
    path = Path(path)
    gzipped = is_gzipped(path)
    beside = Path(f"{path}.fai")
    try:
        return pyfaidx.Fasta(str(path), indexname=str(_index_place(path, beside)))
    except (ImportError, OSError, ValueError, pyfaidx.FastaIndexingError) as error:
        hint = "unpack it with gunzip" if gzipped else "check the file, and that you may write"
        raise ScmambaError(f"{path} cannot be indexed ({error}); {hint}") from error


def _index_place(path: Path, beside: Path) -> Path:
    """Where the index is or can be written."""
    fresh = beside.is_file() and beside.stat().st_mtime >= path.stat().st_mtime
    if fresh or os.access(beside if beside.exists() else path.parent, os.W_OK):
        return beside
    about = path.stat()
    key = f"{path.resolve()} {about.st_size} {about.st_mtime_ns}"
    folder = settings.cache_dir / "fasta"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{path.name}.{hashlib.sha256(key.encode()).hexdigest()[:16]}.fai"
    logger.info("%s cannot be written; the index is kept at %s", beside, place)
    return place
