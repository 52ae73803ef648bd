"""Checks that a file or folder can be written, before any work is done."""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from pathlib import Path

from scmamba._errors import ScmambaError
from scmamba._files.errors import writing


def resolved(path: str | os.PathLike[str]) -> Path:
    """Return the absolute path with links resolved, so that writing keeps the links."""
    return Path(os.path.realpath(path))


def writable(path: str | os.PathLike[str]) -> Path:
    """Check that a file can be written at ``path``.

    Raises
    ------
    ScmambaError
        If ``path`` is a folder or a device, or its folder is missing or cannot be written to.
    """
    path = Path(path)
    target = resolved(path)
    if path.is_dir():
        raise ScmambaError(f"{path} is a folder; give the name of a file to write")
    if target.exists() and not target.is_file():
        raise ScmambaError(f"{path} is no regular file; give the name of a file to write")
    if not target.parent.is_dir():
        folder = target.parent if path.is_symlink() else path.parent
        raise ScmambaError(f"cannot write {path}: the folder {folder} does not exist; make it")
    _try(target.parent, path)
    return path


def writable_folder(path: str | os.PathLike[str]) -> Path:
    """Check that a folder can be created at ``path``, or exists and can be written to.

    Raises
    ------
    ScmambaError
        If a file is at ``path`` or above it, or nothing can be written there.
    """
    path = Path(path)
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not there.is_dir():
        raise ScmambaError(f"cannot write {path}: {there} is a file; give a folder")
    _try(there, path)
    return path


def scratch(target: Path) -> Path:
    """Return a new hidden path next to ``target`` with the same extension."""
    return target.with_name(f".{target.stem}.{secrets.token_hex(4)}.tmp{target.suffix}")


def leftovers(target: Path) -> list[Path]:
    """Return temporary files of this target named by :func:`scratch`, left by any process."""
    stem, suffix = re.escape(target.stem), re.escape(target.suffix)
    ours = re.compile(rf"\.{stem}\.[0-9a-f]{{8}}\.tmp{suffix}")
    return [one for one in target.parent.iterdir() if ours.fullmatch(one.name)]


def _try(folder: Path, path: Path) -> None:
    with writing(path), tempfile.TemporaryFile(dir=folder):
        pass
