"""Replacement of a file or folder by a complete new one in a single step."""

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
"""Number of files from which a folder is flushed to disk by one call for the file system."""


def put_in_place(new: Path, path: Path) -> None:
    """Move ``new`` to ``path`` in the same folder, replacing it in one step.

    The caller holds the lock of ``path``. The content is flushed to disk before the name changes.
    Files keep the mode of those they replace; new files get the default mode of the umask.
    """
    _set_modes(new, path)
    _flush(new)
    if path.is_dir():
        _exchange_folders(new, path)
    else:
        os.replace(new, path)
    _flush_entry(path.parent)


def _exchange_folders(new: Path, path: Path) -> None:
    """Exchange two folders, and remove the old one."""
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
    """Exchange two paths in one step; return False if the system does not support it."""
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
    """Return the function of the C library on Linux, or None."""
    if not sys.platform.startswith("linux"):
        return None
    found = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if found is not None:
        found.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p]
        found.argtypes += [ctypes.c_uint]
    return found


def recover(path: Path) -> None:
    """Restore a folder that was set aside by a process killed between two renames."""
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
    """Whether a folder is missing that :func:`recover` can restore."""
    return not path.exists() and _set_aside(path).exists()


def _set_aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def remove(path: Path) -> None:
    """Remove a file or a folder with its content, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _set_modes(new: Path, path: Path) -> None:
    """Set the modes of ``new`` and its content to those they replace, else to the defaults."""
    if os.name == "nt":
        return
    file_mode = _mode_of_new_files(path)
    folder_mode = file_mode | (file_mode & 0o444) >> 2  # readable folders can be entered
    for one in (new, *(new.rglob("*") if new.is_dir() else ())):
        earlier = path / one.relative_to(new)
        alike = earlier.exists() and earlier.is_dir() == one.is_dir()
        default = folder_mode if one.is_dir() else file_mode
        mode = earlier.stat().st_mode & 0o7777 if alike else default
        if one.stat().st_mode & 0o7777 != mode:
            one.chmod(mode)


def _mode_of_new_files(target: Path) -> int:
    """Return the mode that the umask or the access list of the folder gives to a new file."""
    probe = scratch(target)
    try:  # a file without a name, which leaves no trace if the process is killed
        descriptor = os.open(target.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):
        descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return os.fstat(descriptor).st_mode & 0o777
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Flush a file, or a folder with its content, to disk."""
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
    """Flush the entries of a folder to disk, if the system supports it."""
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
