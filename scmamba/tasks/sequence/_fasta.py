"""The records of a FASTA file, in order."""

from __future__ import annotations

import os
from collections.abc import Iterator

from scmamba._errors import ScmambaError
from scmamba.tasks.sequence._text_file import text_lines


def records(path: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """Name (the header up to its first blank) and sequence of each record.

    Lines that begin with ``;`` are comments.

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
            name, parts = record_name(text, f"{path}, line {number}"), []
        elif not text or text.startswith(";"):
            continue
        elif name is None:
            raise ScmambaError(
                f"{path}, line {number}: a FASTA file starts with '>name', found {text[:30]!r}"
            )
        else:
            parts.append(text)
    if name is not None:
        yield name, "".join(parts)


def record_name(header: str, where: str | os.PathLike[str]) -> str:
    """Return the name in a header line.

    Raises
    ------
    ScmambaError
        There is none; ``where`` says in which file, and perhaps line.
    """
    words = header[1:].split(maxsplit=1)
    if not words:
        raise ScmambaError(f"{where}: a record needs a name, '>name', found {header[:30]!r}")
    return words[0]
