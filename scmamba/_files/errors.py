"""Conversion of errors of writing into a ScmambaError with the path and a remedy."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scmamba._errors import ScmambaError

_ROOM = "make room, or choose another place"
_PERMISSION = "choose a folder that you may write to"
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or choose another place",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: _PERMISSION,
    errno.ENAMETOOLONG: "choose a shorter name",
}
_NUMBER = re.compile(r"(?:errno\s*=?|os error)\s*(\d+)", re.IGNORECASE)
"""Pattern of system error numbers in messages of HDF5 and safetensors."""


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn a failure to write within the block into a ScmambaError that names ``path``.

    Converted are ``OSError`` (full disk, quota, read-only folder, ...), ``shutil.Error``, and
    errors of safetensors and HDF5 that wrap a system error. Others are raised unchanged.
    """
    try:
        yield
    except ScmambaError:
        raise
    except Exception as error:
        if not _of_the_system(error):
            raise
        number = _error_number(error)
        short = "requested and" in str(error)  # message of NumPy if the disk is full
        other = _ROOM if short else "check the path and the disk, then call again"
        remedy = _REMEDIES.get(number or 0, other)
        raise ScmambaError(f"cannot write {path}: {_reason(error, number)}; {remedy}") from error


def _of_the_system(error: Exception) -> bool:
    if isinstance(error, OSError):  # shutil.Error is one
        return True
    wrapped = isinstance(error, RuntimeError) or type(error).__name__ == "SafetensorError"
    return wrapped and _error_number(error) is not None


def _error_number(error: Exception) -> int | None:
    """Return the number of a system error, which HDF5 and safetensors give only as text."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _NUMBER.search(str(error))
    return None if found is None else int(found[1])


def _reason(error: Exception, number: int | None) -> str:
    reason = os.strerror(number) if number is not None else str(error).strip() or "unknown error"
    if isinstance(error, shutil.Error):  # a list of (source, target, reason)
        parts = error.args[0] if error.args else ()
        reasons = [one[-1] for one in parts if isinstance(one, tuple)]
        return str(reasons[0]) if reasons else reason
    named = getattr(error, "filename", None)
    return f"{reason} ({Path(os.fsdecode(named)).name})" if isinstance(named, str) else reason
