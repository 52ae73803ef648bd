"""A finished file or folder takes the place of the earlier one in a single step."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from functools import cache
from pathlib import Path
from typing import Any

from scmamba._files.targets import scratch
from scmamba._log import logger

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
_MANY_FILES = 64
"""From so many files on, a folder is flushed to the disk by one call for the file system."""


def put_in_place(new: Path, path: Path) -> None:
    """Move ``new``, next to ``path``, to ``path``; what was there is replaced in one step.

    The caller holds the lock of ``path``. The content reaches the disk before the name changes.
    Files keep the mode of those they replace; others get the one that new files have by the umask.
    """
    _set_modes(new, path)
    _flush(new)
    if path.is_dir():
        _exchange_folders(new, path)
    else:
        os.replace(new, path)
    _flush_entry(path.parent)


def _exchange_folders(new: Path, path: Path) -> None:
    """Put a folder in place; ``new`` then holds the old one, which is removed."""
    if swap(new, path):
        _flush_entry(path.parent)
        remove(new)
        return
    old = _set_aside(path)
    remove(old)
    os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(old, path)
        raise
    _flush_entry(path.parent)
    remove(old)


def swap(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False where the system or the file system cannot."""
    rename = _renameat2()
    if rename is None:
        return False
    ends = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    if rename(*ends, _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(other))


@cache
def _renameat2() -> Any:
    """The C library's function on Linux, or None."""
    if not sys.platform.startswith("linux"):
        return None
    found = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if found is not None:
        found.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
        found.argtypes += [ctypes.c_uint]
    return found


def recover(path: Path) -> None:
    """Bring back a folder that a process killed between two renames had set aside."""
    old = _set_aside(path)
    if not old.exists():
        return
    if path.exists():
        remove(old)
        return
    os.replace(old, path)
    _flush_entry(path.parent)
    logger.warning("%s was set aside by a process that was killed: it is back in its place", path)


def can_recover(path: Path) -> bool:
    """Whether a folder is missing that :func:`recover` brings back."""
    return not path.exists() and _set_aside(path).exists()


def _set_aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _set_modes(new: Path, path: Path) -> None:
    """Give ``new`` and what is in it the modes of what they replace, else those of new files."""
    if os.name == "nt":
        return
    file_mode = _mode_of_new_files(path)
    folder_mode = file_mode | (file_mode & 0o444) >> 2  # whoever may read may enter
    for one in (new, *(new.rglob("*") if new.is_dir() else ())):
        earlier = path / one.relative_to(new)
        alike = earlier.exists() and earlier.is_dir() == one.is_dir()
        default = folder_mode if one.is_dir() else file_mode
        mode = earlier.stat().st_mode & 0o7777 if alike else default
        if one.stat().st_mode & 0o7777 != mode:
            one.chmod(mode)


def _mode_of_new_files(target: Path) -> int:
    """What the umask, or the folder's default access list, gives to a new file."""
    probe = scratch(target)
    try:  # a file without a name, of which a kill leaves nothing
        descriptor = os.open(target.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):
        descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return os.fstat(descriptor).st_mode & 0o777
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until the disk holds a file, or a folder with all in it."""
    if path.is_file():
        _flush_file(path)
        return
    inside = list(path.rglob("*"))
    sync = getattr(ctypes.CDLL(None), "syncfs", None) if sys.platform == "linux" else None
    if sync is not None and len(inside) >= _MANY_FILES:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if sync(descriptor) == 0:
                return
        finally:
            os.close(descriptor)
    for one in (*inside, path):
        _flush_entry(one) if one.is_dir() else _flush_file(one)


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_entry(folder: Path) -> None:
    """Wait until the disk holds the names in a folder, where folders can be flushed."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)
