"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scmamba._errors import ScmambaError


def writable(path: str | os.PathLike[str]) -> Path:
    """Check, before any work is done, that a file can be written at ``path``.

    Raises
    ------
    ScmambaError
        If ``path`` is a folder, or its folder is missing or cannot be written to.
    """
    path = Path(path)
    if path.is_dir():
        raise ScmambaError(f"{path} is a folder; give the name of a file to write")
    if not path.parent.is_dir():
        raise ScmambaError(f"cannot write {path}: the folder {path.parent} does not exist; make it")
    _try(path.parent, path)
    return path


def writable_folder(path: str | os.PathLike[str]) -> Path:
    """Check, before any work is done, that a folder can be made at ``path`` or is there.

    Raises
    ------
    ScmambaError
        If a file stands at ``path`` or above it, or nothing can be written there.
    """
    path = Path(path)
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not there.is_dir():
        raise ScmambaError(f"cannot write {path}: {there} is a file; give a folder")
    _try(there, path)
    return path


def _try(folder: Path, path: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ScmambaError(
            f"cannot write {path}: {error.strerror}; choose a folder that you may write to"
        ) from error


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block succeeds.

    On any error, Ctrl-C included, the temporary file goes and ``path`` stays as it was.
    """
    path = writable(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
