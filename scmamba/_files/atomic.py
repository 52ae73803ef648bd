"""Atomic writing: a temporary file or folder replaces the target when it is complete."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._files.errors import writing
from scmamba._files.exchange import put_in_place, recover, remove
from scmamba._files.locks import locked
from scmamba._files.targets import leftovers, resolved, scratch, writable, writable_folder


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path that takes the place of the file ``path`` when the block succeeds.

    On any error, including Ctrl-C, the temporary file is removed and ``path`` is unchanged. Links
    are kept, and the linked file is written. Temporary files of killed processes are removed.

    Raises
    ------
    ScmambaError
        If the file cannot be written, or another process is writing it.
    """
    target = resolved(writable(path))
    with writing(path), locked(target), replaced(target) as temporary:
        yield temporary


@contextmanager
def atomic_folder(folder: Path, *, replaces: frozenset[str]) -> Iterator[Path]:
    """Give a temporary folder that takes the place of ``folder`` when the block succeeds.

    Parameters
    ----------
    folder
        Target folder. An existing one is replaced if it holds only files named in ``replaces``.
        Links are kept, and the linked folder is written.
    replaces
        Names of files that may be replaced.

    Raises
    ------
    ScmambaError
        If the folder cannot be created, holds other files, or another process is writing it;
        raised before anything is written.
    """
    target = resolved(writable_folder(folder))
    _check_replaceable(target, replaces)
    with writing(folder):
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target), replaced(target) as temporary:
            _check_replaceable(target, replaces)
            temporary.mkdir(0o700)
            yield temporary


def _check_replaceable(folder: Path, replaces: frozenset[str]) -> None:
    if folder.is_dir() and (others := sorted({p.name for p in folder.iterdir()} - replaces)):
        raise ScmambaError(
            f"{folder} holds other files ({', '.join(others[:5])}); give a new or an empty folder"
        )


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """Give a private path whose content replaces ``target`` when the block succeeds.

    The caller holds the lock of ``target`` and has resolved links. Remains of killed processes are
    restored or removed first.
    """
    recover(target)
    for left in leftovers(target):
        remove(left)
    temporary = scratch(target)
    if target.is_file():  # the copy is private until it gets the mode of the file
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield temporary
        put_in_place(temporary, target)
    finally:
        remove(temporary)


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a new folder in ``parent`` that is removed after the block.

    Folders with the same prefix left by killed processes are removed first, but not those of
    running processes.
    """
    for left in parent.glob(f"{prefix}*"):
        with suppress(ScmambaError), locked(left, wait=0):
            remove(left)
    made = parent / f"{prefix}{secrets.token_hex(4)}"
    with writing(parent), locked(made):
        made.mkdir(0o700)
        try:
            yield made
        finally:
            remove(made)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write ``content`` to ``path`` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
