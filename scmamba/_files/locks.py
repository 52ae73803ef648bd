"""Locks of targets, held by one process at a time and released when the process ends."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from scmamba._errors import ScmambaError
from scmamba._files.errors import writing
from scmamba._log import logger

_PAUSE = 0.05  # seconds between attempts
_held: set[int] = set()
"""File descriptors of the locks that this process holds."""


@contextmanager
def locked(target: Path, *, wait: float = 60.0) -> Iterator[None]:
    """Hold the lock of ``target``, a hidden file next to it, while the block runs.

    The system releases the lock of any process that ends, so lock files of killed processes do not
    block others.

    Parameters
    ----------
    target
        File or folder to be written, with links followed.
    wait
        Seconds to wait for another process.

    Raises
    ------
    ScmambaError
        If another process holds the lock; the message names it and gives the time.
    """
    path = target.with_name(f".{target.name}.lock")
    with writing(target):
        descriptor = _acquire(path, target, wait)
        _held.add(descriptor)
    try:
        yield
    finally:
        if descriptor in _held:  # not in a forked child
            _held.discard(descriptor)
            with suppress(OSError):  # while it is held, so that nobody else's file is removed
                path.unlink()
            os.close(descriptor)


def _acquire(path: Path, target: Path, wait: float) -> int:
    """Lock the file and return its descriptor."""
    until, told = time.monotonic() + wait, False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if _try_lock(descriptor):
                if _is_current(descriptor, path):
                    _sign(descriptor)
                    return descriptor
                os.close(descriptor)  # its holder removed it meanwhile
                continue
            holder = _holder(descriptor)
        except BaseException:
            with suppress(OSError):
                os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() >= until:
            raise ScmambaError(
                f"{target} is being written by {holder}; wait until it is done, stop it, or give "
                "another output"
            )
        if not told and wait > 1:
            logger.info("waiting for %s, which writes %s", holder, target)
            told = True
        time.sleep(_PAUSE)


def _try_lock(descriptor: int) -> bool:
    """Lock the file if it is free; continue without a lock if the file system has none."""
    try:
        import fcntl
    except ImportError:  # Windows
        return _try_lock_windows(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        logger.debug("this file system has no locks (%s)", error.strerror)
    return True


def _try_lock_windows(descriptor: int) -> bool:
    import msvcrt

    try:
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # behind the text, which stays readable
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError:
        return False
    return True


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _sign(descriptor: int) -> None:
    """Write process, host and time to the lock file."""
    about = {
        "process": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"),
    }
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps(about).encode())


def _holder(descriptor: int) -> str:
    try:
        os.lseek(descriptor, 0, os.SEEK_SET)
        about = json.loads(os.read(descriptor, 1000))
        return f"process {about['process']} on {about['host']} since {about['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # it is signing just now
        return "another process"


def _let_go() -> None:
    """Close the locks in a forked child, which must not hold them after the parent ends."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
