"""Errors of reading a file, in words that name it."""

from __future__ import annotations

import errno
import json
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scmamba._errors import ScmambaError

AGAIN = "copy or download it again"

_DAMAGE: tuple[type[Exception], ...] = (
    EOFError,
    UnicodeError,
    RecursionError,
    json.JSONDecodeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)
"""Errors that readers of any format raise for missing or wrong bytes."""


@contextmanager
def reading(
    path: str | os.PathLike[str], *, damage: tuple[type[Exception], ...] = (), mend: str = AGAIN
) -> Iterator[None]:
    """Turn errors of opening, decompressing or parsing ``path`` into a ScmambaError.

    Parameters
    ----------
    path
        File or folder that the block reads; named in every message.
    damage
        Further exceptions that indicate a damaged file, such as ``ValueError`` or ``KeyError`` if
        the block only parses. Errors of gzip, zlib, xz, zip, tar, UTF-8 and JSON, and of deep
        nesting, are always included.
    mend
        Remedy for a damaged file, for the message.

    Raises
    ------
    ScmambaError
        If the file is missing, not readable, a folder, damaged, or needs too much memory. A
        ScmambaError of the block is raised again, with the path if it does not contain it.

    Examples
    --------
    >>> from scmamba._read import reading
    >>> with reading("cells.json"):
    ...     open("cells.json")
    Traceback (most recent call last):
    scmamba._errors.ScmambaError: there is no file cells.json; check the path
    """
    try:
        yield
    except ScmambaError as error:
        folder = os.path.dirname(path)
        if Path(path).name in str(error) or (folder and os.path.join(folder, "") in str(error)):
            raise  # it names the file, or another one of the folder
        raise ScmambaError(f"{os.fspath(path)}: {error}") from error
    except (*_DAMAGE, *damage) as error:
        raise _damaged(path, error, mend) from error
    except OSError as error:
        raise _unreadable(path, error, mend) from error
    except MemoryError as error:
        raise ScmambaError(
            f"{os.fspath(path)} asks for more memory than there is; check that it is the right "
            f"file, or {mend}"
        ) from error


def _damaged(path: str | os.PathLike[str], error: Exception, mend: str) -> ScmambaError:
    lines = str(error).splitlines() or [""]
    reason = f"{type(error).__name__}: {lines[0]}"
    return ScmambaError(f"{os.fspath(path)} is damaged or of another format ({reason}); {mend}")


def _unreadable(path: str | os.PathLike[str], error: OSError, mend: str) -> ScmambaError:
    """Return the error for a file that cannot be opened."""
    shown = error.filename if isinstance(error.filename, str) else os.fspath(path)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return ScmambaError(f"there is no file {shown}; check the path")
        case errno.EISDIR:
            return ScmambaError(f"{shown} is a folder; give a file")
        case errno.EACCES | errno.EPERM:
            return ScmambaError(
                f"{shown} may not be read (permission denied); change its mode, or ask its owner"
            )
        case errno.ENXIO:
            return ScmambaError(f"{shown} is a pipe, device or socket; give a regular file")
        case None:  # gzip and h5py raise OSError for wrong content
            return _damaged(path, error, mend)
    return ScmambaError(f"cannot read {shown} ({error.strerror or error}); {mend}")
