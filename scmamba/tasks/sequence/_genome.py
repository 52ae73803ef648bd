"""Chromosomes of a genome, read from its FASTA file as it is now: no index can be out of date."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from typing import IO

from scmamba._errors import ScmambaError
from scmamba.tasks.sequence._fasta import record_name
from scmamba.tasks.sequence._text_file import opened

CODES = {
    "A": "A",
    "C": "C",
    "G": "G",
    "T": "T",
    "U": "T",
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}
"""Nucleotides that each letter of the IUPAC code may stand for."""

_ALLOWED = ("".join(CODES) + "".join(CODES).lower() + "*-").encode()
_BLANKS = b" \t\r\n\v\f"
_BLOCK = 1 << 22
_LINE = re.compile(rb"[^\r\n]*")


def chromosomes(
    path: str | os.PathLike[str], wanted: Collection[str]
) -> Iterator[tuple[str, str | None]]:
    """Read a genome once, in order, and hold one chromosome at a time.

    Parameters
    ----------
    path
        FASTA file, plain or gzipped (bgzip too).
    wanted
        Names of the chromosomes whose sequence is needed.

    Yields
    ------
    The name of every chromosome, with its sequence in upper case, IUPAC codes as they are, or None
    where it is not ``wanted``.

    Raises
    ------
    ScmambaError
        The file is missing or damaged, is no FASTA, names a wanted chromosome twice, or one of
        these holds characters that are no nucleotides.
    """
    seen: set[str] = set()
    name: str | None = None
    parts: list[bytes] = []
    with opened(path) as file:
        for is_header, text in _pieces(file):
            if is_header:
                if name is not None:
                    yield name, _sequence(parts, name, path) if name in wanted else None
                name, parts = record_name(text.decode(), path), []
                if name in seen and name in wanted:
                    raise ScmambaError(f"{path} holds two sequences named {name!r}; rename one")
                seen.add(name)
            elif name is None:
                _check_comments(text, path)
            elif name in wanted:
                parts.append(text.translate(None, delete=_BLANKS))
        if name is None:
            raise ScmambaError(f"{path} holds no sequence; a FASTA file starts with '>name'")
        yield name, _sequence(parts, name, path) if name in wanted else None


def _pieces(file: IO[bytes]) -> Iterator[tuple[bool, bytes]]:
    """Header lines (True), and what stands between them (False), cut at ends of lines."""
    while block := file.read(_BLOCK):
        block += file.readline()
        start, at = 0, block.find(b">")
        while at >= 0:
            if at == 0 or block[at - 1] in b"\r\n":
                yield False, block[start:at]
                header = _LINE.match(block, at)[0]  # type: ignore[index]
                yield True, header
                start = at + len(header)
            at = block.find(b">", max(start, at + 1))
        yield False, block[start:]


def _sequence(parts: list[bytes], name: str, path: str | os.PathLike[str]) -> str:
    letters = b"".join(parts)
    if other := letters.translate(None, delete=_ALLOWED):
        raise ScmambaError(
            f"{path}: sequence {name!r} holds {chr(other[0])!r}; allowed: nucleotides and the "
            f"IUPAC codes {''.join(CODES)}, in either case"
        )
    return letters.decode().upper()


def _check_comments(text: bytes, path: str | os.PathLike[str]) -> None:
    """Before the first header there may be blank lines and comments (``;``)."""
    for line in text.splitlines():
        if line.strip() and not line.startswith(b";"):
            found = line[:30].decode(errors="replace")
            raise ScmambaError(f"{path}: a FASTA file starts with '>name', found {found!r}")
