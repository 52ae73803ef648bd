"""Files and folders that are there whole or not at all; JSON with clear errors; hashes."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
    with _replacing(path, _beside(path)) as temporary:
        yield temporary


@contextmanager
def atomic_folder(folder: Path, *, replaces: frozenset[str]) -> Iterator[Path]:
    """Give a temporary folder that takes the place of ``folder`` when the block succeeds.

    Parameters
    ----------
    folder
        Where the result goes. What stands there is replaced if it holds nothing but files
        named in ``replaces``.
    replaces
        Names of files that may be replaced.

    Raises
    ------
    ScmambaError
        Before anything is written: the folder cannot be made, or holds other files.
    """
    folder = Path(os.path.abspath(folder))
    if folder.exists() and not folder.is_dir():
        raise ScmambaError(f"{folder} is a file; give a folder")
    if folder.is_dir() and (others := sorted({p.name for p in folder.iterdir()} - replaces)):
        raise ScmambaError(
            f"{folder} holds other files ({', '.join(others[:5])}); give a new or an empty folder"
        )
    temporary = _beside(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
    except OSError as error:
        raise ScmambaError(
            f"cannot write in {folder.parent} ({error.strerror}); give a folder you may write to"
        ) from error
    with _replacing(folder, temporary):
        yield temporary


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")


@contextmanager
def _replacing(path: Path, temporary: Path) -> Iterator[Path]:
    try:
        yield temporary
        take_place(temporary, path)
    finally:
        remove(temporary)


def take_place(new: Path, path: Path) -> None:
    """Move the file or folder ``new`` to ``path``; a folder there comes back if that fails."""
    if not path.is_dir():
        os.replace(new, path)
        return
    old = _beside(path)
    os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds, if it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")


def sha256(path: Path) -> str:
    """Hash of the file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_sha1(path: Path) -> str:
    """The hash by which git knows the content of the file, as 40 hexadecimal digits."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
