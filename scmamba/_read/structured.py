"""JSON and YAML of files that nobody vouches for."""

from __future__ import annotations

import json
import os
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._read.fields import kind_of
from scmamba._read.guard import AGAIN, reading
from scmamba._read.regular import MAX_BYTES, read_text

MAX_DEPTH = 64
"""Deepest nesting of a JSON file."""

MAX_DIGITS = 40
"""Longest whole number in a JSON file. 64 bits need 20, but tokenizer files write 1e30 for "no
limit"."""


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
            f"{os.fspath(path)} holds {kind_of(content)}; an object {{...}} is needed: {AGAIN}"
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


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a whole number of {len(digits)} digits; at most {MAX_DIGITS} are read")
    return int(digits)


def _values(part: dict[str, Any] | list[Any]) -> Any:
    return part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
