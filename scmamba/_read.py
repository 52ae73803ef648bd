"""Reading of untrusted files, with limits and with errors that name the file.

:func:`reading` wraps code that opens or parses a file; :func:`read_json`, :func:`read_text` and
:func:`read_bytes` read small files within limits; :class:`Fields` extracts typed entries from a
JSON object. Sizes, types and names stated in a file are never trusted.
"""

from __future__ import annotations

import errno
import json
import lzma
import math
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from scmamba._errors import ScmambaError

MAX_BYTES = 32 * 2**20
"""Largest size of JSON and text files, in bytes, by default."""

MAX_DEPTH = 64
"""Deepest nesting of a JSON file."""

MAX_DIGITS = 40
"""Longest whole number in a JSON file. 64 bits need 20, but tokenizer files write 1e30 for "no
limit"."""

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


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a regular file for reading bytes; pipes, devices and sockets are refused unread.

    Raises
    ------
    ScmambaError
        If it is missing, not readable, or not a regular file.
    """
    with reading(path):
        flags = os.O_RDONLY
        for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
            flags |= getattr(os, name, 0)  # without O_NONBLOCK a pipe would wait for its writer
        descriptor = os.open(path, flags)
        try:
            if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
                kind = "folder" if stat.S_ISDIR(mode) else "pipe, device or socket"
                raise ScmambaError(f"{os.fspath(path)} is a {kind}; give a regular file")
            return os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise


def check_regular(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` after checking that it is a readable regular file.

    For files that a library opens by name.
    """
    open_regular(path).close()
    return Path(path)


def read_bytes(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a regular file of at most ``max_bytes`` bytes.

    Raises
    ------
    ScmambaError
        If it cannot be read, is not a regular file, or is larger.
    """
    with reading(path), open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > max_bytes:
            _too_large(path, max_bytes)
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        _too_large(path, max_bytes)
    return content


def read_text(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> str:
    """Read UTF-8 text from a regular file, without the byte order mark.

    Parameters
    ----------
    path
        Path of the file.
    max_bytes
        Largest size in bytes.

    Raises
    ------
    ScmambaError
        If it cannot be read, is larger, or is not UTF-8.
    """
    content = read_bytes(path, max_bytes=max_bytes)
    with reading(path):
        return content.decode("utf-8-sig")


def read_json(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> dict[str, Any]:
    """Read a JSON object from a file.

    Parameters
    ----------
    path
        Path of a regular file, which may have a byte order mark.
    max_bytes, max_depth
        Largest size in bytes and deepest nesting. Whole numbers may have at most 40 digits.

    Raises
    ------
    ScmambaError
        If the file is missing, exceeds a limit, is not JSON, or does not hold an object.
    """
    content = read_json_value(path, max_bytes=max_bytes, max_depth=max_depth)
    if not isinstance(content, dict):
        raise ScmambaError(
            f"{os.fspath(path)} holds {_kind(content)}; an object {{...}} is needed: {AGAIN}"
        )
    return content


def read_json_value(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> Any:
    """Read any JSON value from a file, with the limits and errors of :func:`read_json`."""
    return parse_json(read_text(path, max_bytes=max_bytes), path, max_depth=max_depth)


def parse_json(
    text: str | bytes, source: str | os.PathLike[str], *, max_depth: int = MAX_DEPTH
) -> Any:
    """Parse JSON ``text`` from ``source``; see :func:`read_json`."""
    try:
        content = json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        reason = "its nesting is too deep" if isinstance(error, RecursionError) else str(error)
        raise ScmambaError(f"{os.fspath(source)} is not JSON ({reason}); {AGAIN}") from error
    level = [content]
    for _ in range(max_depth):
        level = [x for part in level for x in _values(part) if isinstance(x, dict | list)]
        if not level:
            return content
    raise ScmambaError(
        f"{os.fspath(source)} nests deeper than {max_depth} levels; no file of this kind does: "
        f"{AGAIN}"
    )


def check_yaml(path: str | os.PathLike[str]) -> None:
    """Check that ``path`` is a YAML file that does not expand when it is read.

    Aliases, which repeat parts of the file, and deep nesting are refused.

    Raises
    ------
    ScmambaError
        If it cannot be read, is larger than 64 KiB, is not YAML, nests deeper than 64 levels or
        holds an alias.
    """
    import yaml

    text, depth = read_text(path, max_bytes=2**16), 0
    with reading(path, damage=(yaml.YAMLError, ValueError)):
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ScmambaError(
                    f"{os.fspath(path)} repeats a part of itself (*{event.anchor}); write it out"
                )
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH:
                raise ScmambaError(
                    f"{os.fspath(path)} nests deeper than {MAX_DEPTH} levels; options need less"
                )


class Fields:
    """Access to the entries of a JSON object by name and type.

    Each method returns the entry if it has the right type and is within the bounds. If it is
    missing or null, ``default`` is returned if given. Otherwise an error names the file, the field,
    the value and what is allowed.

    Parameters
    ----------
    content
        JSON object.
    source
        Path of the file or description of the source, for messages.
    prefix
        Name of the field that holds this object, for messages about nested ones.

    Examples
    --------
    >>> from scmamba._read import Fields
    >>> fields = Fields({"n_layer": "four"}, "config.json")
    >>> fields.integer("n_layer", low=1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    scmamba._errors.ScmambaError: config.json: n_layer="four"; a whole number of at least 1 is ...
    """

    def __init__(
        self, content: Mapping[str, Any], source: str | os.PathLike[str], *, prefix: str = ""
    ) -> None:
        self.content, self.source, self.prefix = content, os.fspath(source), prefix

    @classmethod
    def of(cls, content: object, source: str | os.PathLike[str]) -> Fields:
        """Return the fields of ``content``, or raise an error if it is not an object."""
        if not isinstance(content, Mapping):
            raise ScmambaError(
                f"{os.fspath(source)} holds {_kind(content)}; an object {{...}} is needed"
            )
        return cls(content, source)

    def has(self, name: str) -> bool:
        """Whether there is an entry ``name`` that is not null."""
        return self.content.get(name) is not None

    def integer(
        self, name: str, default: int | None = None, *, low: int = -(2**63), high: int = 2**63 - 1
    ) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self._value(name, default)
        if type(value) is not int or not low <= value <= high:
            self.refuse(name, f"a whole number {_bounds(low, high)}")
        return value

    def number(
        self,
        name: str,
        default: float | None = None,
        *,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> float:
        """Return a finite number from ``low`` to ``high``."""
        value = self._value(name, default)
        if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
            self.refuse(name, f"a finite number {_bounds(low, high)}")
        return float(value)

    def boolean(self, name: str, default: bool | None = None) -> bool:
        """Return True or False."""
        value = self._value(name, default)
        if type(value) is not bool:
            self.refuse(name, "true or false")
        return value

    def string(
        self, name: str, default: str | None = None, *, choices: Sequence[str] | None = None
    ) -> str:
        """Return text, one of ``choices`` if given."""
        value = self._value(name, default)
        if type(value) is not str or (choices is not None and value not in choices):
            self.refuse(name, "text" if choices is None else f"one of {', '.join(choices)}")
        return value

    def integers(
        self,
        name: str,
        default: Sequence[int] | None = None,
        *,
        low: int = -(2**63),
        high: int = 2**63 - 1,
    ) -> list[int]:
        """Return a list of whole numbers from ``low`` to ``high``."""
        value = self._value(name, default)
        right = isinstance(value, list | tuple)
        if not right or any(type(x) is not int or not low <= x <= high for x in value):
            self.refuse(name, f"a list of whole numbers {_bounds(low, high)}")
        return list(value)

    def strings(self, name: str, default: Sequence[str] | None = None) -> list[str]:
        """Return a list of strings."""
        value = self._value(name, default)
        if not isinstance(value, list | tuple) or any(type(x) is not str for x in value):
            self.refuse(name, "a list of texts")
        return list(value)

    def values(self, name: str, default: Sequence[Any] | None = None) -> list[Any]:
        """Return a list of any values."""
        value = self._value(name, default)
        if not isinstance(value, list | tuple):
            self.refuse(name, "a list")
        return [*value]

    def nested(self, name: str, default: Mapping[str, Any] | None = None) -> Fields:
        """Return the fields of a nested object."""
        value = self._value(name, default)
        if not isinstance(value, Mapping):
            self.refuse(name, "an object {...}")
        return Fields(value, self.source, prefix=f"{self.prefix}{name}.")

    def refuse(self, name: str, allowed: str) -> NoReturn:
        """Raise ScmambaError for the entry ``name``, with what is ``allowed``."""
        field = f"{self.prefix}{name}"
        if name not in self.content:
            raise ScmambaError(f"{self.source}: {field} is missing; {allowed} is needed: {AGAIN}")
        raise ScmambaError(
            f"{self.source}: {field}={_short(self.content[name])}; {allowed} is needed: {AGAIN}"
        )

    def _value(self, name: str, default: Any) -> Any:
        value = self.content.get(name)
        return default if value is None else value


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits; at most {MAX_DIGITS} are read")
    return int(digits)


def _values(part: dict[str, Any] | list[Any]) -> Any:
    return part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()


def _bounds(low: float, high: float) -> str:
    if low > -(2**63) and high < 2**63 - 1:
        return f"from {low} to {high}"
    if low > -(2**63):
        return f"of at least {low}"
    return f"of at most {high}" if high < 2**63 - 1 else "of 64 bits"


def _short(value: object) -> str:
    """Return ``value`` as JSON, shortened if long."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def _kind(value: object) -> str:
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a text", bool: "a boolean"}
    if value is None:
        return "null"
    return kinds.get(type(value), "a number")


def _too_large(path: str | os.PathLike[str], max_bytes: int) -> NoReturn:
    raise ScmambaError(
        f"{os.fspath(path)} is larger than {max_bytes / 2**20:.3g} MiB, the most that is read of a "
        "file of this kind; check that it is the right file"
    )


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
