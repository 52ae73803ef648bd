"""Folders written whole or not at all, JSON read with clear errors, hashes."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._files import atomic


@contextmanager
def atomic_folder(folder: Path, *, replaces: frozenset[str] | None) -> Iterator[Path]:
    """A temporary folder that takes the place of ``folder`` when the block ends well.

    Parameters
    ----------
    folder
        Where the result goes. What stands there is replaced if it holds nothing but files
        named in ``replaces``.
    replaces
        Names of files that may be replaced; None: whatever there is.

    Raises
    ------
    ScmambaError
        Before anything is written: the folder cannot be made, or holds other files.
    """
    folder = Path(os.path.abspath(folder))
    if folder.exists() and not folder.is_dir():
        raise ScmambaError(f"{folder} is a file; give a folder")
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if replaces is not None and (others := sorted(there - replaces)):
        raise ScmambaError(
            f"{folder} holds other files ({', '.join(others[:5])}); give a new or an empty folder"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        temporary.mkdir()
    except OSError as error:
        raise ScmambaError(
            f"cannot write in {folder.parent} ({error.strerror}); give a folder you may write to"
        ) from error
    try:
        yield temporary
        _take_place(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_place(temporary: Path, folder: Path) -> None:
    """Move ``temporary`` to ``folder``; what stood there comes back if that fails."""
    if not folder.exists():
        os.replace(temporary, folder)
        return
    old = temporary.with_name(f"{temporary.name}-old")
    os.replace(folder, old)
    try:
        os.replace(temporary, folder)
    except BaseException:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises
    ------
    ScmambaError
        There is no such file, it is not JSON, or it holds something else than an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScmambaError(f"cannot read {path} ({error.strerror})") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ScmambaError(f"{path} is not JSON ({error}); fetch or save it again") from error
    if not isinstance(content, dict):
        raise ScmambaError(f"{path} holds a {type(content).__name__}; a JSON object is needed")
    return content


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
